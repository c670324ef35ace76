//! Draws `docs/performance.svg` from the results of the benchmarks.
//!
//! Reads the samples of `cargo bench --bench evaluation --bench parsing`, and uses the fastest of each,
//! since other load only makes them slower. Also draws `peers/results.txt` if it exists: one line per
//! client, separated by tabs, after a line with the names of the columns.

use std::collections::HashMap;
use std::error::Error;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::{env, fs};

use phaseflag::Value;

/// Where the bars begin, and how long the longest is.
const LEFT: f64 = 250.0;
const LENGTH: f64 = 350.0;
const ROW: f64 = 22.0;

/// Colours that can be read on white and on black.
const OURS: &str = "#2f81f7";
const OTHERS: &str = "#8b949e";
const MARK: &str = "#d29922";
const TEXT: &str = "#737d88";

struct Panel {
    title: &'static str,
    note: &'static str,
    /// Whether each line of the axis is ten times the one before.
    logarithmic: bool,
    rows: Vec<Row>,
}

struct Row {
    label: String,
    nanoseconds: f64,
    /// Another time that is marked in the bar.
    mark: Option<f64>,
    remark: String,
    ours: bool,
}

fn main() -> Result<(), Box<dyn Error>> {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let target = env::var_os("CARGO_TARGET_DIR").map_or(package.join("target"), PathBuf::from);
    let criterion = target.join("criterion");
    let mut panels = vec![evaluation(&criterion)?, growth(&criterion)?, parsing(&criterion)?];
    let results = package.join("peers/results.txt");
    if results.exists() {
        panels.push(peers(&fs::read_to_string(results)?)?);
    }
    let docs = package.join("../docs");
    fs::create_dir_all(&docs)?;
    fs::write(docs.join("performance.svg"), draw(&panels))?;
    Ok(())
}

/// Returns the nanoseconds that the fastest sample of a benchmark took for each iteration.
fn fastest(criterion: &Path, name: &str) -> Result<f64, Box<dyn Error>> {
    let path = criterion.join(name).join("new/sample.json");
    let text = fs::read_to_string(&path)
        .map_err(|error| format!("{}: {error}; run `cargo bench` first", path.display()))?;
    let samples: Value = text.parse()?;
    let numbers =
        |name: &str| samples[name].as_array().into_iter().flatten().filter_map(Value::as_f64);
    let each = numbers("times").zip(numbers("iters")).map(|(time, iterations)| time / iterations);
    let least = each.min_by(f64::total_cmp);
    least.ok_or_else(|| format!("{}: there are no samples", path.display()).into())
}

fn ours(label: &str, nanoseconds: f64) -> Row {
    let remark = time(nanoseconds);
    Row { label: label.to_owned(), nanoseconds, mark: None, remark, ours: true }
}

fn beside_sketch(label: &str, nanoseconds: f64, sketch: f64) -> Row {
    let remark = format!("{}, sketch {}", time(nanoseconds), time(sketch));
    Row { mark: Some(sketch), remark, ..ours(label, nanoseconds) }
}

fn evaluation(criterion: &Path) -> Result<Panel, Box<dyn Error>> {
    let mut rows = Vec::new();
    for (name, label) in [
        ("no_rules", "a flag without rules"),
        ("rollout", "a rollout"),
        ("one_of", "a rule for one of three plans"),
        ("context_built_one_of", "the same, and the context built"),
    ] {
        let ours = fastest(criterion, &format!("path/{name}/10000"))?;
        rows.push(beside_sketch(
            label,
            ours,
            fastest(criterion, &format!("path/{name}_sketch/10000"))?,
        ));
    }
    let note = "Time of get_boolean_value. The mark is a sketch: bare tables, no checks, no lock.";
    Ok(Panel { title: "One evaluation among 10,000 flags", note, logarithmic: false, rows })
}

fn growth(criterion: &Path) -> Result<Panel, Box<dyn Error>> {
    let rows = [
        ("path/one_of/1", "1 flag"),
        ("path/one_of/10000", "10,000 flags"),
        ("targets/1", "a list of 1 user"),
        ("targets/100000", "a list of 100,000 users"),
        ("rules/1", "the first rule matches"),
        ("rules/20", "the twentieth rule matches"),
    ];
    let rows = rows.into_iter().map(|(name, label)| Ok(ours(label, fastest(criterion, name)?)));
    Ok(Panel {
        title: "What makes it longer",
        note: "Neither many flags nor long lists; only the rules that are tried.",
        logarithmic: false,
        rows: rows.collect::<Result<_, Box<dyn Error>>>()?,
    })
}

fn parsing(criterion: &Path) -> Result<Panel, Box<dyn Error>> {
    let parse = |name| fastest(criterion, &format!("parse/{name}/10000"));
    let value = ours("the same text as any JSON value", parse("value")?);
    let rows = vec![
        beside_sketch("checked and ready", parse("ruleset")?, parse("sketch")?),
        Row { ours: false, ..value },
    ];
    let note = "Time to read 7 MB. The mark is a sketch: bare structs read by miniserde.";
    Ok(Panel { title: "A ruleset of 10,000 flags", note, logarithmic: false, rows })
}

fn peers(results: &str) -> Result<Panel, Box<dyn Error>> {
    let header = results.lines().find_map(|line| line.strip_prefix("# name\t"));
    let header = header.ok_or("peers/results.txt does not name its columns")?;
    let mut rows = Vec::new();
    for line in results.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let (name, fields) = line.split_once('\t').ok_or("peers/results.txt: a lonely name")?;
        let columns: HashMap<_, _> = header.split('\t').zip(fields.split('\t')).collect();
        let field = |name| {
            columns.get(name).copied().ok_or(format!("peers/results.txt: no column `{name}`"))
        };
        let row = ours(name, field("rule")?.parse()?);
        let allocations = field("allocations rule")?;
        let many = if allocations == "1" { "allocation" } else { "allocations" };
        rows.push(Row {
            mark: Some(field("plain")?.parse()?),
            remark: format!("{}, {allocations} {many}", row.remark),
            ours: name == "phaseflag",
            ..row
        });
    }
    rows.sort_by(|one, other| one.nanoseconds.total_cmp(&other.nanoseconds));
    let note = "Time of a rule with a rollout; each line is ten times the one before (logarithmic \
                axis). The mark is a flag without rules.";
    Ok(Panel { title: "Beside other clients", note, logarithmic: true, rows })
}

fn draw(panels: &[Panel]) -> String {
    let mut body = String::new();
    let mut y = 24.0;
    for panel in panels {
        y = panel.draw(&mut body, y) + 36.0;
    }
    let height = y - 24.0;
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"800\" height=\"{height}\" \
         viewBox=\"0 0 800 {height}\" role=\"img\" font-size=\"13\" fill=\"{TEXT}\" \
         font-family=\"-apple-system, 'Segoe UI', Helvetica, Arial, sans-serif\">\n\
         <title>How fast phaseflag is</title>\n{body}</svg>\n"
    )
}

impl Panel {
    /// Adds the panel below a line, and returns where it ends.
    fn draw(&self, svg: &mut String, top: f64) -> f64 {
        let times =
            || self.rows.iter().flat_map(|row| row.mark.into_iter().chain([row.nanoseconds]));
        let longest = times().fold(1.0, f64::max);
        // The axis begins at the power of ten below the shortest time.
        let least = times().fold(longest, f64::min).log10().floor();
        let length = |nanoseconds: f64| match self.logarithmic {
            true => LENGTH * (nanoseconds.log10() - least) / (longest.log10() - least),
            false => LENGTH * nanoseconds / longest,
        };
        text(svg, 0.0, top, "font-size=\"16\" font-weight=\"600\"", self.title);
        text(svg, 0.0, top + 18.0, "font-size=\"12\"", self.note);
        let mut y = top + 30.0;
        let mut bottom = y + ROW * self.rows.len() as f64;
        if self.logarithmic {
            for power in least as i32..=longest.log10() as i32 {
                let (x, tick) = (LEFT + length(10_f64.powi(power)), time(10_f64.powi(power)));
                let _ = writeln!(
                    svg,
                    "<path d=\"M{x:.1} {y}V{bottom}\" stroke=\"{TEXT}\" stroke-opacity=\"0.35\"/>"
                );
                text(svg, x, bottom + 14.0, "text-anchor=\"middle\" font-size=\"11\"", &tick);
            }
            bottom += 18.0;
        }
        for row in &self.rows {
            let bar = length(row.nanoseconds).max(1.0);
            let (colour, weight) = if row.ours { (OURS, "600") } else { (OTHERS, "400") };
            let weight = format!("font-weight=\"{weight}\"");
            let label = format!("text-anchor=\"end\" {weight}");
            text(svg, LEFT - 8.0, y + 15.0, &label, &row.label);
            rectangle(svg, LEFT, y + 3.0, bar, colour);
            let mark = row.mark.map_or(0.0, length);
            if row.mark.is_some() {
                rectangle(svg, LEFT + mark - 1.5, y + 1.0, 3.0, MARK);
            }
            text(svg, LEFT + bar.max(mark) + 8.0, y + 15.0, &weight, &row.remark);
            y += ROW;
        }
        bottom
    }
}

fn rectangle(svg: &mut String, x: f64, y: f64, width: f64, colour: &str) {
    let height = if colour == MARK { 20 } else { 16 };
    let _ = writeln!(
        svg,
        "<rect x=\"{x:.1}\" y=\"{y}\" width=\"{width:.1}\" height=\"{height}\" fill=\"{colour}\"/>"
    );
}

fn text(svg: &mut String, x: f64, y: f64, attributes: &str, text: &str) {
    let text = text.replace('&', "&amp;").replace('<', "&lt;");
    let _ = writeln!(svg, "<text x=\"{x:.1}\" y=\"{y}\" {attributes}>{text}</text>");
}

/// Returns a time with three digits or less after rounding, such as `78 ns` or `1.2 µs`.
fn time(nanoseconds: f64) -> String {
    let (value, unit) = match nanoseconds {
        below if below < 999.5 => (below, "ns"),
        below if below < 999_500.0 => (below / 1e3, "µs"),
        _ => (nanoseconds / 1e6, "ms"),
    };
    let digits = if unit != "ns" && value < 9.95 && value.fract() != 0.0 { 1 } else { 0 };
    format!("{value:.digits$} {unit}")
}
