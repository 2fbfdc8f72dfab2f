//! What a project's `env` holds besides variables.

use crate::bindings::Bindings;
use crate::bindings::ForeignObjects;
use crate::bindings::MissingBinding;
use crate::bindings::ObjectBindings;
use crate::bindings::OtherBindings;
use crate::bindings::Service;
use crate::config::Project;
use crate::process::Process;

/// The bindings of a project among the workers of its process. `folder` names the folder of the
/// objects of another worker's class.
pub fn bindings(
    project: &Project,
    process: &Process,
    folder: &dyn Fn(&str, &str) -> String,
) -> Bindings {
    let mut own = Vec::new();
    let mut foreign = Vec::new();
    for object in &project.objects {
        let (binding, class) = (object.binding.clone(), object.class.clone());
        match &object.worker {
            None => own.push((binding, class)),
            Some(worker) => foreign.push(ForeignObjects {
                binding,
                unique_key: folder(worker, &class),
                class,
                worker: process.index(worker),
            }),
        }
    }
    let missing = project.missing.iter().map(|missing| MissingBinding {
        binding: missing.binding.clone(),
        kind: missing.kind.to_owned(),
    });
    let services = project.services.iter().map(|service| {
        let worker = process.index(&service.worker);
        let entrypoint = service.entrypoint.as_deref();
        Service::new(&service.binding, worker, entrypoint, &service.props)
    });
    let assets = project.assets.as_ref();
    Bindings {
        objects: ObjectBindings::Declared(own),
        foreign,
        others: OtherBindings {
            missing: missing.collect(),
            assets: assets.and_then(|assets| assets.binding.clone()),
            services: services.collect(),
        },
    }
}
