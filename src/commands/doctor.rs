//! `stead doctor`: prints what was found, and what to do about it.

use crate::cli::exit::ExitCode;
use crate::cli::problem::Problem;
use crate::cli::project_args::DoctorArgs;
use crate::cli::style::Style;
use crate::doctor::Finding;
use crate::doctor::Level;
use crate::doctor::Scope;

/// Prints the findings; fails if something is wrong.
pub fn run(args: &DoctorArgs) -> Result<ExitCode, Problem> {
    let findings = crate::doctor::examine(&Scope {
        path: args.project.path.clone(),
        environment: args.project.env.clone(),
        state: args.state.clone(),
        port: args.port,
    });
    if args.json {
        let text = serde_json::to_string_pretty(&findings);
        let text = text.map_err(|error| Problem::internal(error.to_string()))?;
        super::say(&format!("{text}\n"));
    } else {
        let style = Style::of(&std::io::stdout());
        findings.iter().for_each(|finding| print(finding, style));
    }
    let is_wrong = findings.iter().any(|finding| finding.level == Level::Wrong);
    Ok(match is_wrong {
        true => ExitCode::DoesNotLoad,
        false => ExitCode::Ok,
    })
}

fn print(finding: &Finding, style: Style) {
    let mark = match finding.level {
        Level::Fine => style.green("ok  "),
        Level::Note => style.yellow("note"),
        Level::Wrong => style.red("no  "),
    };
    super::say(&format!(
        "{mark}  {}\n",
        finding.what.replace('\n', "\n      ")
    ));
    if let Some(todo) = &finding.todo {
        super::say(&format!("      {}\n", style.cyan(todo)));
    }
}
