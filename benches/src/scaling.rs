//! How figures change with the number of shards and of objects, with the size of an object,
//! and with load: Stead alone, since there is nobody to compare with.

use std::io;
use std::time::{Duration, Instant};

use crate::http;
use crate::peer::{Programs, Runtime, Server};
use crate::report::figure;
use crate::rows::answer;

const CONNECTIONS: usize = 32;

/// Measures and prints, section by section.
pub async fn measure(programs: &Programs, duration: Duration, quick: bool) -> io::Result<()> {
    shards(programs, duration).await?;
    objects(programs, duration, quick).await?;
    latency(programs, duration).await?;
    large(programs, duration, quick).await
}

async fn shards(programs: &Programs, duration: Duration) -> io::Result<()> {
    println!(
        "\n| shards | GET that reaches one of 64 objects | durable INSERT, 64 objects |\n|---|---|---|"
    );
    for shards in ["1", "2"] {
        let mut programs = programs.clone();
        programs
            .stead_args
            .extend(["--shards".into(), shards.into()]);
        let server = Server::start(Runtime::Stead, &programs)?;
        let read = spread(&server, "ok", 64, duration).await?;
        let write = spread(&server, "write", 64, duration).await?;
        println!(
            "| {shards} | {} 1/s | {} 1/s |",
            figure(read),
            figure(write)
        );
    }
    Ok(())
}

/// Requests per second to so many objects, in turn.
async fn spread(
    server: &Server,
    what: &'static str,
    objects: usize,
    duration: Duration,
) -> io::Result<f64> {
    let path = move |connection: usize, n: usize| {
        let object = (connection * 64 + n) % objects;
        format!("/fetch/{what}?object={object}")
    };
    http::load(server.address(), CONNECTIONS, duration / 3, None, path).await?;
    let load = http::load(server.address(), CONNECTIONS, duration, None, path).await?;
    Ok(load.per_second)
}

/// The same 2,000 requests' worth of objects is asked, with so many more on disk.
async fn objects(programs: &Programs, duration: Duration, quick: bool) -> io::Result<()> {
    let counts: &[usize] = if quick {
        &[10, 1_000]
    } else {
        &[10, 1_000, 100_000]
    };
    println!(
        "\n| objects on disk | made, 1/s | start after a clean stop | GET that reaches one of 64 of them |\n|---|---|---|---|"
    );
    for &count in counts {
        let server = Server::start(Runtime::Stead, programs)?;
        let begin = Instant::now();
        let batch = count.min(500);
        for from in (0..count).step_by(batch) {
            answer(
                server.address(),
                &format!("/fan?n={batch}&object=batch{from}"),
            )
            .await?;
        }
        let made = count as f64 / begin.elapsed().as_secs_f64();
        let server = server.restart(Runtime::Stead, programs)?;
        answer(server.address(), "/hello").await?;
        let start = server.started().elapsed();
        let read = spread(&server, "ok", 64, duration).await?;
        println!(
            "| {} | {} | {:.0} ms | {} 1/s |",
            figure(count as f64),
            figure(made),
            start.as_secs_f64() * 1e3,
            figure(read)
        );
    }
    Ok(())
}

/// Latency at half of the greatest load.
async fn latency(programs: &Programs, duration: Duration) -> io::Result<()> {
    println!("\n| at half load | 1/s | p50 | p99 | p99.9 | worst |\n|---|---|---|---|---|---|");
    for (title, what) in [
        ("GET that reaches one of 64 objects", "ok"),
        ("durable INSERT, 64 objects", "write"),
    ] {
        let server = Server::start(Runtime::Stead, programs)?;
        let most = spread(&server, what, 64, duration).await?;
        let path = move |connection: usize, n: usize| {
            format!("/fetch/{what}?object={}", (connection * 64 + n) % 64)
        };
        let load = http::load(
            server.address(),
            CONNECTIONS,
            duration,
            Some(most / 2.0),
            path,
        )
        .await?;
        let ms = |quantile| load.latency.value_at_quantile(quantile) as f64 / 1e6;
        println!(
            "| {title} | {} | {:.2} ms | {:.2} ms | {:.2} ms | {:.2} ms |",
            figure(load.per_second),
            ms(0.5),
            ms(0.99),
            ms(0.999),
            ms(1.0)
        );
    }
    Ok(())
}

/// One object that grows large: what its first and its last inserts cost.
async fn large(programs: &Programs, duration: Duration, quick: bool) -> io::Result<()> {
    let megabytes = if quick { 64 } else { 1024 };
    let server = Server::start(Runtime::Stead, programs)?;
    let address = server.address();
    println!(
        "\n| one object of | INSERT of 100 KB | SELECT by key | durable INSERT per request |\n|---|---|---|---|"
    );
    let mut filled = 0;
    for size in [1, megabytes] {
        let begin = Instant::now();
        let mut inserted = 0;
        while filled < size {
            answer(address, "/grow?n=80&object=large").await?;
            filled += 8;
            inserted += 80;
        }
        let insert = f64::from(inserted) / begin.elapsed().as_secs_f64();
        answer(address, "/sqlInsert?n=10000&object=large").await?;
        let begin = Instant::now();
        answer(address, "/sqlPoint?n=10000&object=large").await?;
        let point = 1e4 / begin.elapsed().as_secs_f64();
        let path = |_: usize, _: usize| "/fetch/write?object=large".to_owned();
        let write = http::load(address, CONNECTIONS, duration, None, path).await?;
        println!(
            "| {filled} MB | {} 1/s | {} 1/s | {} 1/s |",
            figure(insert),
            figure(point),
            figure(write.per_second)
        );
    }
    Ok(())
}
