//! The SVG as a PNG, with a font that is built in.

use anyhow::{Context, Result};
use resvg::tiny_skia::{Pixmap, Transform};
use resvg::usvg::{Options, Tree};

/// Pixels for each unit of the SVG, to be sharp on a good screen and in print.
const SCALE: f32 = 2.0;

/// The font's family name.
const FONT: &str = "Ubuntu";

/// The picture, which looks the same on every machine.
pub(super) fn render(svg: &str) -> Result<Vec<u8>> {
    let mut options = Options { font_family: FONT.into(), ..Options::default() };
    options.fontdb_mut().load_font_data(epaint_default_fonts::UBUNTU_LIGHT.to_vec());
    options.fontdb_mut().set_sans_serif_family(FONT);
    let tree = Tree::from_str(svg, &options).context("a bug in Freshet: its SVG is invalid")?;
    let size = tree.size().to_int_size().scale_by(SCALE).context("the picture is too large")?;
    let mut pixels = Pixmap::new(size.width(), size.height()).context("the picture is too large")?;
    resvg::render(&tree, Transform::from_scale(SCALE, SCALE), &mut pixels.as_mut());
    pixels.encode_png().context("the picture cannot be made a PNG")
}
