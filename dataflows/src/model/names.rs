//! The names that a file may give: those that Postgres, the API and the terminal accept, and that are not taken.

/// The longest name, in bytes, so that what is named after it (`report_…`, `…_digest`, `…_by_…`) fits the 63 bytes that
/// Postgres allows.
const NAME_BYTES_MAX: usize = 48;

/// Tables that every database of Freshet's has, or may get, beside those that begin with a prefix of its own.
const TABLES: [&str; 7] =
    ["progress", "gaps", "rejected_records", "rejected_hourly", "product_names", "page_hosts", "store_names"];
const PREFIXES: [&str; 5] = ["freshet_", "dim_", "report_", "fact_", "pg_"];
/// The suffix that Postgres gives the index of a primary key.
const PRIMARY_KEY: &str = "_pkey";

/// Columns that tables, or the views over them, have beside a report's fields.
const COLUMNS: [&str; 14] = [
    "day",
    "hour",
    "rank",
    "views",
    "views_before",
    "change_percent",
    "share_percent",
    "year",
    "quarter",
    "month",
    "iso_year",
    "iso_week",
    "weekday",
    "is_weekend",
];

/// Parameters that the API has, and flags that the terminal has, beside those for fields.
const PARAMETERS: [&str; 32] = [
    "all",
    "brokers",
    "compare",
    "csv-safe",
    "csv_safe",
    "daily",
    "database-url",
    "day",
    "days",
    "format",
    "from",
    "group",
    "help",
    "hour",
    "limit",
    "log-format",
    "of_host",
    "offset",
    "partition",
    "q",
    "rank",
    "reason",
    "reports",
    "share",
    "table",
    "timeout",
    "to",
    "topic",
    "version",
    "views",
    "watch",
    "x",
];

/// Paths below `/api/` that the API has beside those that list the members of fields.
const PATHS: [&str; 6] = ["days", "live", "openapi.json", "reports", "status", "wait"];

/// What Postgres does not accept as the name of a column or a table (`pg_get_keywords()`, categories R and T, versions
/// 13 to 18), and the system columns of every table.
const RESERVED: &str = "all analyse analyze and any array as asc asymmetric authorization binary both case cast check collate \
    collation column concurrently constraint create cross current_catalog current_date current_role current_schema \
    current_time current_timestamp current_user default deferrable desc distinct do else end except false fetch for foreign \
    freeze from full grant group having ilike in initially inner intersect into is isnull join lateral leading left like \
    limit localtime localtimestamp natural not notnull null offset on only or order outer overlaps placing primary \
    references returning right select session_user similar some symmetric system_user table tablesample then to trailing \
    true union unique user using variadic verbose when where window with \
    cmax cmin ctid tableoid xmax xmin";

/// What is wrong with a name.
type Wrong = Result<(), String>;

/// The name of a table.
pub(super) fn table(name: &str) -> Wrong {
    identifier("table", name)?;
    if TABLES.contains(&name) {
        return Err(format!("Freshet has a table {name} of its own; take another name"));
    }
    if let Some(prefix) = PREFIXES.iter().find(|prefix| name.starts_with(*prefix)) {
        return Err(format!("names that begin with {prefix} are taken; take another one for the table"));
    }
    if name.ends_with(PRIMARY_KEY) {
        return Err(format!("names that end with {PRIMARY_KEY} are those of indexes; take another one for the table"));
    }
    Ok(())
}

/// The name of a field, which is that of its columns.
pub(super) fn field(name: &str) -> Wrong {
    identifier("field", name)?;
    if COLUMNS.contains(&name) {
        return Err(format!("{name} is a column that tables and views have anyway; take another name for the field"));
    }
    Ok(())
}

/// The label of a field.
pub(super) fn label(name: &str) -> Wrong {
    spelling("label", name, &['_', '-'])?;
    if PARAMETERS.contains(&name) {
        return Err(format!("{name} is a parameter or a flag that reports have anyway; take another label"));
    }
    let path = plural(name);
    if PATHS.contains(&path.as_str()) {
        return Err(format!(
            "the API has a path /api/{path} of its own, where {path} would be listed; take another label"
        ));
    }
    Ok(())
}

/// A label in the plural, as paths of the API have it.
pub(super) fn plural(label: &str) -> String {
    let is_vowel = |c: char| "aeiou".contains(c);
    match label.strip_suffix('y').filter(|stem| !stem.ends_with(is_vowel)) {
        Some(stem) => format!("{stem}ies"),
        None if label.ends_with(['s', 'x']) || label.ends_with("ch") || label.ends_with("sh") => format!("{label}es"),
        None => format!("{label}s"),
    }
}

/// The name of a report.
pub(super) fn report(name: &str) -> Wrong {
    spelling("report", name, &['-'])?;
    match name {
        "day" => Err("report_day is a view of Freshet's own; take another name for the report".into()),
        "help" => Err("`freshet report help` shows the help; take another name for the report".into()),
        _ => Ok(()),
    }
}

/// The code of a language.
pub(super) fn language(code: &str) -> Wrong {
    let is_code = (2..=3).contains(&code.len()) && code.bytes().all(|letter| letter.is_ascii_lowercase());
    if is_code {
        Ok(())
    } else {
        Err(format!("\"{code}\" is no code of a language; give two or three letters, like de"))
    }
}

/// A title or a description, which appear in SQL, on the page and in a terminal.
pub(super) fn sentence(text: &str) -> Wrong {
    match text {
        "" => Err("an empty text; leave the key out".into()),
        text if text.contains(char::is_control) => {
            Err("a text with a control character, such as the end of a line; write it in one line".into())
        }
        _ => Ok(()),
    }
}

fn identifier(sort: &str, name: &str) -> Wrong {
    spelling(sort, name, &['_'])?;
    if RESERVED.split_whitespace().any(|word| word == name) {
        return Err(format!("Postgres reserves the word {name}; take another name for the {sort}, such as {name}_"));
    }
    Ok(())
}

/// Lower case, as Postgres folds names that are not quoted.
fn spelling(sort: &str, name: &str, also: &[char]) -> Wrong {
    let is_part = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || also.contains(&c);
    if name.len() > NAME_BYTES_MAX {
        return Err(format!("the name of the {sort} has {} bytes; it may have {NAME_BYTES_MAX}", name.len()));
    }
    if !name.starts_with(|c: char| c.is_ascii_lowercase()) || !name.chars().all(is_part) || name.ends_with('-') {
        let also: String = also.iter().map(|c| format!(" and {c}")).collect();
        return Err(format!(
            "\"{name}\" is no name for a {sort}; take a small letter, then small letters, digits{also}"
        ));
    }
    Ok(())
}
