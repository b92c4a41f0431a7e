//! The threads that know the model: one for clicks, one for tracking, and one that reads files.

mod interactive;
mod predictor;
mod reader;
mod tracking;
mod work;

use std::sync::Arc;
use std::thread::{self, JoinHandle};

use rayon::ThreadPoolBuilder;

use crate::app::App;
use crate::error::ServeError;
use work::Pools;

/// Starts the threads; they end when [`App::close`] is called.
///
/// # Errors
/// If there are no more threads.
pub fn start(app: &Arc<App>) -> Result<Vec<JoinHandle<()>>, ServeError> {
    let failed = |source| ServeError::System { action: "start a thread", source };
    let pool = |threads: usize, name: &'static str| {
        let builder = ThreadPoolBuilder::new().num_threads(threads);
        let built = builder.thread_name(move |i| format!("{name} {i}")).build();
        built.map_err(|e| failed(std::io::Error::other(e)))
    };
    let big = Arc::new(pool(app.settings.threads, "tracking")?);
    // A click does not wait for a tracked frame.
    let own = pool(1, "click")?;
    let spawn = |name: &str, work: Box<dyn FnOnce() + Send>| {
        thread::Builder::new().name(name.to_owned()).spawn(work).map_err(failed)
    };
    let (one, two, three) = (Arc::clone(app), Arc::clone(app), Arc::clone(app));
    let shared = Arc::clone(&big);
    Ok(vec![
        spawn("interactive", Box::new(move || interactive::run(&one, Pools { own, big: shared })))?,
        spawn("tracking", Box::new(move || tracking::run(&two, &big)))?,
        spawn("reader", Box::new(move || reader::run(&three)))?,
    ])
}
