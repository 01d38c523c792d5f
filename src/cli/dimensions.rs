//! A flag for each dimension of the model: `--day`, `--hour`, and one by the label of each field.
//!
//! They follow from the model, so they are added to the command line when it is built; their values are found by id.

use chrono::NaiveDate;
use clap::builder::{PossibleValuesParser, TypedValueParser, ValueParser};
use clap::{Arg, ArgMatches, Args, Command, Error, FromArgMatches};
use dataflows::model::{Dimension, FieldKind, Model};

/// Prefix of the ids of these flags, so that none clashes with another flag.
const PREFIX: &str = "dimension:";

/// Which values of which dimensions are asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DimensionArgs {
    /// Labels, and the values that were given for them.
    given: Vec<(String, String)>,
}

impl DimensionArgs {
    /// The flag of a dimension. It is optional and takes one value.
    pub fn flag(model: &Model, dimension: Dimension) -> Arg {
        let label = model.dimension_label(dimension);
        let (help, parser): (&str, ValueParser) = match dimension {
            Dimension::Day => ("Day, as 2020-06-04", day.into()),
            Dimension::Hour => ("Hour, 0 to 23", hour.into()),
            Dimension::Field(field) => {
                let parser = match model.fields[field].kind {
                    FieldKind::Country | FieldKind::CountryCode => {
                        (|text: &str| Ok::<_, String>(text.to_uppercase())).into()
                    }
                    FieldKind::Boolean => PossibleValuesParser::new(["true", "false"]).map(String::from).into(),
                    _ => ValueParser::string(),
                };
                (&model.fields[field].about, parser)
            }
        };
        Arg::new(format!("{PREFIX}{label}"))
            .long(label.to_owned())
            .value_name(label.to_uppercase())
            .help(help.to_owned())
            .value_parser(parser)
    }

    /// The values that were given for these dimensions, in their order, as tables have them: a day as 2020-06-04, an hour
    /// without a leading zero.
    pub fn values(&self, model: &Model, dimensions: &[Dimension]) -> Vec<(Dimension, String)> {
        let given = |label: &str| self.given.iter().find(|(of, _)| of == label).map(|(_, value)| value.clone());
        let value = |dimension: &Dimension| Some((*dimension, given(model.dimension_label(*dimension))?));
        dimensions.iter().filter_map(value).collect()
    }

    /// The labels that were given, but are of none of these dimensions.
    pub fn others(&self, model: &Model, dimensions: &[Dimension]) -> Vec<&str> {
        let labels: Vec<_> = dimensions.iter().map(|dimension| model.dimension_label(*dimension)).collect();
        self.given.iter().map(|(label, _)| label.as_str()).filter(|label| !labels.contains(label)).collect()
    }
}

fn day(text: &str) -> Result<String, chrono::ParseError> {
    text.parse().map(|day: NaiveDate| day.to_string())
}

fn hour(text: &str) -> Result<String, &'static str> {
    match text.parse() {
        Ok(hour @ 0..24_u8) => Ok(hour.to_string()),
        _ => Err("expected an hour, 0 to 23"),
    }
}

impl FromArgMatches for DimensionArgs {
    fn from_arg_matches(matches: &ArgMatches) -> Result<DimensionArgs, Error> {
        let mut args = DimensionArgs::default();
        args.update_from_arg_matches(matches)?;
        Ok(args)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        let labels = matches.ids().filter_map(|id| Some((id.as_str(), id.as_str().strip_prefix(PREFIX)?)));
        let given = labels.filter_map(|(id, label)| Some((label.to_owned(), matches.get_one::<String>(id)?.clone())));
        self.given = given.collect();
        Ok(())
    }
}

/// Flattened into a subcommand it reads the values that were given; the flags are added where the model is known.
impl Args for DimensionArgs {
    fn augment_args(command: Command) -> Command {
        command
    }

    fn augment_args_for_update(command: Command) -> Command {
        command
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::program::Program;

    #[test]
    fn a_value_is_what_the_tables_have() -> Result<(), Error> {
        let model = Model::builtin();
        let by = [Dimension::Day, Dimension::Hour, Dimension::Field(0), Dimension::Field(3)];
        let command = Command::new("explain").args(by.map(|dimension| DimensionArgs::flag(&model, dimension)));
        let line = ["explain", "--country", "de", "--hour", "09", "--day", "2020-06-04", "--product", "007"];
        let args = DimensionArgs::from_arg_matches(&command.clone().try_get_matches_from(line)?)?;
        let values = args.values(&model, &by).into_iter().map(|(_, value)| value).collect::<Vec<_>>();
        assert_eq!(values, ["2020-06-04", "9", "007", "DE"]);
        assert_eq!(args.values(&model, &by[..1]), [(Dimension::Day, "2020-06-04".into())]);
        assert_eq!(args.others(&model, &by[..3]), ["country"]);
        for wrong in [["--hour", "24"], ["--day", "4.6.2020"]] {
            assert!(command.clone().try_get_matches_from(["explain"].iter().chain(&wrong)).is_err());
        }
        Ok(())
    }

    #[test]
    fn flags_that_there_are_anyway_are_no_labels() {
        let model = |label: &str| {
            let text = include_str!("../../dataflows/reports/glamira.toml");
            Model::parse(&text.replace("label = \"product\"", &format!("label = \"{label}\"")), "f.toml")
        };
        assert!(model("campaign").is_ok_and(|model| model != *Model::builtin()));
        let program = Program::command_line(&Model::builtin());
        let report = program.find_subcommand("report").into_iter().flat_map(Command::get_subcommands);
        for command in report.chain(program.find_subcommand("explain")) {
            let flags = command.get_arguments().chain(program.get_arguments());
            for flag in flags.filter(|flag| !flag.get_id().as_str().starts_with(PREFIX)).filter_map(Arg::get_long) {
                assert!(model(flag).is_err(), "{} has --{flag}", command.get_name());
            }
        }
    }
}
