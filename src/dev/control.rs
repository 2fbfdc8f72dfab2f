//! What the commands that ask a running `stead dev` are answered: by the worker that they mean, or for all of them from
//! the state directory.

use std::path::PathBuf;
use std::sync::Arc;

use super::current::Current;
use super::session::Failure;
use super::session::Session;
use super::state::State;
use super::state::state_dir;
use crate::cli::dev_args::DevArgs;
use crate::cli::logger::Logger;
use crate::cli::problem::Problem;
use crate::control::Answering;
use crate::shared::JsonCall;
use crate::stored::question::Answer;
use crate::stored::question::Question;
use crate::stored::question::Refused;
use crate::worker::Worker;

/// All workers of the process.
#[derive(Clone)]
pub struct Projects {
    workers: Arc<[Arc<Current>]>,
    state: Arc<State>,
}

impl Projects {
    /// The workers that run now or later, and their state directory.
    pub fn new(workers: Vec<Arc<Current>>, state: Arc<State>) -> Projects {
        Projects {
            workers: workers.into(),
            state,
        }
    }

    /// The only worker that has a class, or the one of a name.
    async fn worker_of(&self, class: &str, name: Option<&str>) -> Result<Arc<Worker>, String> {
        let mut running = Vec::new();
        for current in self.workers.iter() {
            running.extend(current.ready().await);
        }
        if running.is_empty() {
            return Err("no code runs that could be called: `stead dev` says why".to_owned());
        }
        let names = |workers: &[Arc<Worker>]| {
            let names = workers.iter().map(|worker| format!("`{}`", worker.name()));
            names.collect::<Vec<_>>().join(", ")
        };
        let all = names(&running);
        if let Some(name) = name {
            running.retain(|worker| worker.name() == name);
            if running.is_empty() {
                return Err(format!(
                    "the running server has no worker `{name}`, only {all}"
                ));
            }
        }
        running.retain(|worker| worker.classes().iter().any(|known| known == class));
        match &running[..] {
            [only] => Ok(only.clone()),
            [] => Err(format!("the running server has no object class `{class}`")),
            several => Err(format!(
                "several workers have a class `{class}`: say which with `--worker`: {}",
                names(several)
            )),
        }
    }
}

impl Answering for Projects {
    async fn call(&self, call: JsonCall) -> Result<String, String> {
        let worker = self.worker_of(&call.class, call.worker.as_deref()).await?;
        worker.call(call).await
    }

    async fn answer(&self, question: Question) -> Result<Answer, Refused> {
        let _open = self.state.used().await;
        let process = self.state.process();
        let process = process.map_err(|problem| Refused::internal(problem.what))?;
        crate::stored::answer_running(&process, question).await
    }
}

/// Makes a call of an object of a project that nobody serves: by a worker that is started for it.
///
/// # Errors
/// Why the project does not start. The call's own failure is the inner one.
pub async fn call_alone(
    args: DevArgs,
    configuration: PathBuf,
    call: JsonCall,
    logger: &Logger,
) -> Result<Result<String, String>, Problem> {
    let args = Arc::new(args);
    let path = args.state.clone();
    let path = path.unwrap_or_else(|| state_dir(&configuration));
    let state = Arc::new(State::new(path, args.clone(), logger.clone()));
    let mut session = Session::new(args, configuration, state.clone(), logger.clone());
    session.read_project().map_err(Failure::into_problem)?;
    session.prepare().map_err(Failure::into_problem)?;
    session.update(None).await.map_err(Failure::into_problem)?;
    let projects = Projects::new(vec![session.current().clone()], state);
    let result = projects.call(call).await;
    session.stop().await;
    Ok(result)
}
