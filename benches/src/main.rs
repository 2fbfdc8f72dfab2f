//! Measures Stead beside workerd, on the same worker, in the same run, one after the other
//! in turn; and beside what the machine can do. docs/PERFORMANCE.md says how and what for.

mod http;
mod machine;
mod peer;
mod report;
mod rows;
mod scaling;
mod socket;

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;

use crate::peer::{Programs, Runtime};
use crate::report::{Result, figure};
use crate::rows::{ROWS, Row};

/// Measures Stead beside workerd, and prints one table.
#[derive(Parser)]
struct Arguments {
    /// The `stead` binary
    #[arg(long)]
    stead: PathBuf,
    /// The `workerd` binary
    #[arg(long)]
    workerd: PathBuf,
    /// The worker, as JavaScript, for workerd
    #[arg(long)]
    worker_js: PathBuf,
    /// The worker, as TypeScript, for Stead
    #[arg(long, default_value = "benches/worker.ts")]
    worker_ts: PathBuf,
    /// Only this row
    #[arg(long, value_name = "NAME")]
    row: Vec<String>,
    /// Rounds; each measures every row once on both runtimes
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Seconds of one measurement
    #[arg(long, default_value_t = 3.0)]
    seconds: f64,
    /// Two short rounds, without the rows that wait for objects to leave memory
    #[arg(long)]
    quick: bool,
    /// For machines
    #[arg(long)]
    json: bool,
    /// Also measure what the machine can do without a runtime
    #[arg(long)]
    machine: bool,
    /// Measure how Stead scales, instead of the table
    #[arg(long)]
    scaling: bool,
}

fn main() -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime can be made");
    match runtime.block_on(run(Arguments::parse())) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(mut arguments: Arguments) -> io::Result<()> {
    if arguments.quick {
        arguments.rounds = arguments.rounds.min(2);
        arguments.seconds = arguments.seconds.min(0.5);
    }
    let rows = chosen(&arguments)?;
    let duration = Duration::from_secs_f64(arguments.seconds);
    let programs = Programs {
        stead: arguments.stead.canonicalize()?,
        workerd: arguments.workerd.canonicalize()?,
        worker_ts: arguments.worker_ts.canonicalize()?,
        worker_js: arguments.worker_js.canonicalize()?,
        stead_args: Vec::new(),
    };
    if arguments.scaling {
        return scaling::measure(&programs, duration, arguments.quick).await;
    }
    let results = rounds(&rows, &programs, arguments.rounds, duration).await?;
    if arguments.json {
        println!("{}", serde_json::to_string_pretty(&results)?);
    } else {
        println!("{}", report::HEAD);
        for result in &results {
            println!("{}", result.line());
        }
    }
    if arguments.machine {
        println!("\n| the machine alone | 1/s | by Stead's row |\n|---|---|---|");
        for bound in machine::measure(duration).await? {
            let row = results.iter().find(|result| result.row == bound.row);
            let stead = row.map(|row| report::Spread::of(row.stead.iter().copied()).median);
            let by = stead.map_or(String::new(), |stead| {
                format!("{:.2} ({})", bound.per_second / stead, bound.row)
            });
            println!("| {} | {} | {by} |", bound.title, figure(bound.per_second));
        }
    }
    Ok(())
}

fn chosen(arguments: &Arguments) -> io::Result<Vec<&'static Row>> {
    let named = |row: &&Row| arguments.row.iter().any(|name| name == row.name);
    if let Some(unknown) = arguments
        .row
        .iter()
        .find(|name| ROWS.iter().all(|row| row.name != **name))
    {
        let names: Vec<_> = ROWS.iter().map(|row| row.name).collect();
        return Err(io::Error::other(format!(
            "there is no row `{unknown}`; there are {}",
            names.join(", ")
        )));
    }
    let all = arguments.row.is_empty();
    let slow = |row: &&Row| matches!(row.measure, rows::Measure::MemoryPerSocket { .. });
    Ok(ROWS
        .iter()
        .filter(|row| named(row) || all && !(arguments.quick && slow(row)))
        .collect())
}

/// Measures every row once a round, the two runtimes in turn: A B, then B A, and so on.
async fn rounds(
    rows: &[&'static Row],
    programs: &Programs,
    rounds: usize,
    duration: Duration,
) -> io::Result<Vec<Result>> {
    let mut figures = vec![(Vec::new(), Vec::new()); rows.len()];
    for round in 0..rounds {
        for (row, (stead, workerd)) in rows.iter().zip(&mut figures) {
            let mut order = Runtime::BOTH;
            if round % 2 == 1 {
                order.reverse();
            }
            for runtime in order {
                let figure = row.measure(runtime, programs, duration).await;
                let figure = figure.map_err(|error| {
                    io::Error::other(format!("row {}, {runtime:?}: {error}", row.name))
                })?;
                match runtime {
                    Runtime::Stead => stead.push(figure),
                    Runtime::Workerd => workerd.push(figure),
                }
            }
            eprintln!("round {}: {}", round + 1, row.title);
        }
    }
    let results = rows.iter().zip(figures);
    Ok(results
        .map(|(row, (stead, workerd))| Result::new(row, stead, workerd))
        .collect())
}
