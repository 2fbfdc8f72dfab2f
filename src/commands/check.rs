//! `stead check`: everything that can be said of a project without running it.

use std::path::Path;
use std::path::PathBuf;
use std::process::Command;

use crate::cli::exit::ExitCode;
use crate::cli::problem::Problem;
use crate::cli::project_args::CheckArgs;
use crate::cli::request_log::milliseconds;
use crate::cli::style::Style;

/// Reads the configuration, bundles, and has the project's own TypeScript check the types.
pub fn run(args: &CheckArgs) -> Result<ExitCode, Problem> {
    let style = Style::of(&std::io::stderr());
    let project = super::load_project(&args.project)?;
    let ok = |what: &str| super::say(&format!("{} {what}\n", style.green("ok")));
    ok(&format!("configuration  {}", project.file.display()));
    if let Some(main) = &project.main {
        let begun = std::time::Instant::now();
        let bundle = crate::bundle::bundle(main, &crate::dev::bundle_options(&project))
            .map_err(|found| super::diagnosed(&found, style))?;
        ok(&format!(
            "code           {} modules, {} KB, bundled in {}",
            bundle.modules.len(),
            bundle.code.len().div_ceil(1024),
            milliseconds(begun.elapsed()),
        ));
    }
    let has_types = project.root.join("tsconfig.json").is_file();
    match find_tsc(&project.root).filter(|_| has_types) {
        None => super::say(
            "-- types          not checked: no TypeScript in node_modules, or no tsconfig.json\n",
        ),
        Some(tsc) => {
            let status = Command::new(&tsc)
                .args(["--noEmit", "--project", "."])
                .current_dir(&project.root)
                .status();
            let status = status.map_err(|error| {
                Problem::does_not_load(format!("cannot run `{}`: {error}", tsc.display()))
            })?;
            if !status.success() {
                return Err(Problem::does_not_load("the types do not fit")
                    .help("the errors above are TypeScript's own"));
            }
            ok("types");
        }
    }
    Ok(ExitCode::Ok)
}

/// The project's own compiler.
fn find_tsc(root: &Path) -> Option<PathBuf> {
    root.ancestors()
        .map(|folder| folder.join("node_modules/.bin/tsc"))
        .find(|tsc| tsc.is_file())
}
