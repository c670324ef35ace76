//! Measures when an edit of a file that `phaseflag serve` serves is in force in a client, with the event
//! stream and with polls.
//!
//! `cargo run --release --bin edits` prints the shortest, the median and the longest time.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};
use std::{fs, thread};

use phaseflag::{ClientBuilder, PhaseFlagClient};
use phaseflag_benches::process::ended;
use phaseflag_benches::programs::build_command;

const EDITS: u32 = 20;

/// A longer time is a failure.
const LIMIT: Duration = Duration::from_secs(60);

fn main() -> ExitCode {
    let folder = std::env::temp_dir().join(format!("phaseflag-edits-{}", std::process::id()));
    let measured = measure(&folder);
    let _ = fs::remove_dir_all(folder);
    ended(measured.map(|()| ExitCode::SUCCESS))
}

fn measure(folder: &Path) -> Result<(), String> {
    fs::create_dir_all(folder).map_err(|error| error.to_string())?;
    let file = folder.join("flags.json");
    edit(&file, 0)?;
    let mut service = Command::new(build_command()?)
        .arg("serve")
        .arg(&file)
        .args(["--port", "0"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| format!("failed to start the service: {error}"))?;
    let measured = url(&mut service).and_then(|url| compare(&url, &file));
    let _ = service.kill();
    let _ = service.wait();
    measured
}

/// Reads the URL that the service prints.
fn url(service: &mut Child) -> Result<String, String> {
    let mut line = String::new();
    let output = service.stdout.take().ok_or("the service has no output")?;
    BufReader::new(output).read_line(&mut line).map_err(|error| error.to_string())?;
    let url = line.trim().strip_prefix("serving ").ok_or("the service prints no URL")?;
    Ok(url.to_owned())
}

fn compare(url: &str, file: &Path) -> Result<(), String> {
    println!("{EDITS} edits, until each is in force");
    let builder = || PhaseFlagClient::builder(url, "key");
    let hour = Duration::from_secs(3600);
    times("streaming, polls each hour", file, builder().polling_interval(hour).streaming(true))?;
    times("polls each second", file, builder().polling_interval(Duration::from_secs(1)))?;
    times("polls each 5 seconds", file, builder().polling_interval(Duration::from_secs(5)))
}

fn times(name: &str, file: &Path, builder: ClientBuilder) -> Result<(), String> {
    let client = builder.build().map_err(|error| error.to_string())?;
    client.start().map_err(|error| error.to_string())?;
    client.wait_until_ready(LIMIT).map_err(|error| error.to_string())?;
    let mut times = Vec::new();
    for round in 0..EDITS {
        let number = client.get_number_value("edit", 0.0, None) as u32 + 1;
        // Longer than a streaming client waits between two polls, and at any time between regular ones.
        thread::sleep(Duration::from_millis(2000 + u64::from(round) * 370 % 1000));
        edit(file, number)?;
        let start = Instant::now();
        while client.get_number_value("edit", 0.0, None) as u32 != number {
            if start.elapsed() > LIMIT {
                return Err(format!("{name}: edit {number} is not in force after {LIMIT:?}"));
            }
            thread::sleep(Duration::from_millis(1));
        }
        times.push(start.elapsed().as_secs_f64());
    }
    client.stop();
    times.sort_by(f64::total_cmp);
    let [shortest, median, longest] =
        [0, times.len() / 2, times.len() - 1].map(|index| times[index]);
    println!("  {name:28}{shortest:.2} to {longest:.2} s, median {median:.2} s");
    Ok(())
}

fn edit(file: &Path, number: u32) -> Result<(), String> {
    let rules = format!(
        r#"[{{"key": "edit", "default_variation": "v", "variations": [{{"key": "v", "value": {number}}}]}}]"#
    );
    fs::write(file, rules).map_err(|error| format!("failed to write the rules: {error}"))
}
