//! Charts as SVG.

use svg::Document;
use svg::node::element::{Group, Rectangle, Text, Title};

use super::chart::{Chart, Hours, Label};
use crate::terminal::grouped;

/// Units of the picture. A text of 14 units needs a line of 26.
const WIDTH: f64 = 880.0;
const MARGIN: f64 = 24.0;
const HEAD_HEIGHT: f64 = 64.0;
const LINE_HEIGHT: f64 = 26.0;
/// The width of the labels at the left.
const LABEL_WIDTH: f64 = 320.0;
/// The width of the numbers at the right.
const NUMBER_WIDTH: f64 = 90.0;
/// The height of the columns of a day.
const COLUMN_HEIGHT: f64 = 220.0;

const INK: &str = "#1f2933";
const FAINT: &str = "#7b8794";
const COLOUR: &str = "#2f6f9f";
const GROUND: &str = "#eef2f5";

/// The whole picture.
pub(super) fn document(title: &str, chart: &Chart) -> Document {
    let (body, height) = match chart {
        Chart::Bars(bars) => (draw_bars(bars), bars.len() as f64 * LINE_HEIGHT),
        Chart::Columns(hours) => (draw_columns(hours), COLUMN_HEIGHT + LINE_HEIGHT),
        Chart::Lines(lines) => (draw_lines(lines), (lines.len() + 1) as f64 * LINE_HEIGHT),
    };
    let height = HEAD_HEIGHT + height + MARGIN;
    let heading = text(title, MARGIN, 38.0).set("font-size", 20).set("font-weight", 600);
    Document::new()
        .set("viewBox", (0, 0, WIDTH, height))
        .set("width", WIDTH)
        .set("height", height)
        .set("font-family", "system-ui, sans-serif")
        .set("font-size", 14)
        .set("role", "img")
        .add(Title::new(title))
        .add(rectangle(0.0, 0.0, WIDTH, height).set("fill", "#ffffff"))
        .add(heading)
        .add(body.set("transform", format!("translate(0 {HEAD_HEIGHT})")))
}

fn draw_bars(bars: &[(Label, u64)]) -> Group {
    let most = bars.iter().map(|(_, views)| *views).max().unwrap_or_default();
    let room = WIDTH - MARGIN - NUMBER_WIDTH - LABEL_WIDTH;
    bars.iter().enumerate().fold(Group::new(), |group, (index, (label, views))| {
        let (top, length) = (index as f64 * LINE_HEIGHT, share(*views, most) * room);
        let bar = rectangle(LABEL_WIDTH, top + 5.0, length, LINE_HEIGHT - 10.0).set("fill", COLOUR).set("rx", 2);
        let number = text(&grouped(*views), LABEL_WIDTH + length + 8.0, top + 18.0).set("fill", FAINT);
        group.add(line_label(label, top)).add(hint(bar, &label.whole, *views)).add(number)
    })
}

fn draw_columns(hours: &Hours) -> Group {
    let most = hours.iter().copied().max().unwrap_or_default();
    let step = (WIDTH - 2.0 * MARGIN) / 24.0;
    hours.iter().enumerate().fold(Group::new(), |group, (hour, views)| {
        let (left, height) = (MARGIN + hour as f64 * step, share(*views, most) * (COLUMN_HEIGHT - 20.0));
        let column = rectangle(left + 3.0, COLUMN_HEIGHT - height, step - 6.0, height).set("fill", COLOUR).set("rx", 2);
        let middle = left + step / 2.0;
        let number = centred(&grouped(*views), middle, COLUMN_HEIGHT - height - 6.0).set("font-size", 11);
        let group =
            group.add(hint(column, &clock(hour), *views)).add(centred(&hour.to_string(), middle, COLUMN_HEIGHT + 20.0));
        if *views > 0 { group.add(number) } else { group }
    })
}

fn draw_lines(lines: &[(Label, Hours)]) -> Group {
    let most = lines.iter().flat_map(|(_, hours)| hours).copied().max().unwrap_or_default();
    let step = (WIDTH - MARGIN - NUMBER_WIDTH - LABEL_WIDTH) / 24.0;
    let middle = |hour: usize| LABEL_WIDTH + (hour as f64 + 0.5) * step;
    let head = (0..24).step_by(3).fold(Group::new(), |group, hour| {
        group.add(centred(&hour.to_string(), middle(hour), 16.0).set("font-size", 11))
    });
    lines.iter().enumerate().fold(head, |group, (index, (label, hours))| {
        let top = (index + 1) as f64 * LINE_HEIGHT;
        let cells = hours.iter().enumerate().fold(Group::new(), |group, (hour, views)| {
            let cell =
                rectangle(LABEL_WIDTH + hour as f64 * step, top + 2.0, step - 2.0, LINE_HEIGHT - 4.0).set("rx", 2);
            let cell = match *views {
                0 => cell.set("fill", GROUND),
                // Even the fewest views differ from none.
                views => cell.set("fill", COLOUR).set("fill-opacity", 0.15 + 0.85 * share(views, most)),
            };
            group.add(hint(cell, &format!("{}, {}", label.whole, clock(hour)), *views))
        });
        let sum =
            text(&grouped(hours.iter().sum()), WIDTH - MARGIN - NUMBER_WIDTH + 8.0, top + 18.0).set("fill", FAINT);
        group.add(line_label(label, top)).add(cells).add(sum)
    })
}

fn line_label(label: &Label, top: f64) -> Group {
    let shown = text(&label.short, MARGIN, top + 18.0);
    Group::new().add(Title::new(&label.whole)).add(shown)
}

/// The tooltip of a shape.
fn hint(shape: Rectangle, what: &str, views: u64) -> Rectangle {
    shape.add(Title::new(format!("{what}: {}", grouped(views))))
}

fn rectangle(left: f64, top: f64, width: f64, height: f64) -> Rectangle {
    Rectangle::new().set("x", left).set("y", top).set("width", width).set("height", height)
}

fn text(content: &str, left: f64, base: f64) -> Text {
    Text::new(content).set("x", left).set("y", base).set("fill", INK)
}

fn centred(content: &str, middle: f64, base: f64) -> Text {
    text(content, middle, base).set("text-anchor", "middle").set("fill", FAINT)
}

fn clock(hour: usize) -> String {
    format!("{hour:02}:00 to {hour:02}:59")
}

fn share(number: u64, of: u64) -> f64 {
    number as f64 / of.max(1) as f64
}
