//! Start and end of the server.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use sam2_model::Model;
use tokio::net::TcpListener;
use tokio::runtime::Builder;
use tokio::sync::watch;

use crate::api;
use crate::app::{App, Settings};
use crate::engine;
use crate::error::ServeError;
use crate::guard::Guard;
use crate::http;
use crate::media;
use crate::private::Private;
use crate::session::Session;

/// How many ports after the default one are tried.
const TRIED: u16 = 100;

/// What is served, and to whom.
#[derive(Debug)]
pub struct Options {
    /// Pictures, clips and folders.
    pub paths: Vec<PathBuf>,
    /// A GIF inside the program and its name, which is there when no path is given.
    pub embedded_clip: Option<(&'static str, &'static [u8])>,
    /// The address.
    pub host: IpAddr,
    /// The port; if it is in use, the next free one is taken unless `fixed_port`.
    pub port: u16,
    /// Whether no other port will do.
    pub fixed_port: bool,
    /// The file that keeps prompts and masks.
    pub session: PathBuf,
    /// A folder into which exports may be written.
    pub allow_write: Option<PathBuf>,
    /// Bytes of all uploads together.
    pub max_upload: u64,
    /// Whether the address holds a token, without which nothing is answered.
    pub token: bool,
    /// Whether osam's clients find a server.
    pub osam: bool,
    /// Threads for tracking.
    pub threads: usize,
    /// Name of the model, for the page.
    pub model_name: String,
    /// Whether it is the small one inside the program.
    pub embedded: bool,
}

/// A running server. Dropping it does not end it; [`Server::stop`] does.
pub struct Server {
    app: Arc<App>,
    ended: watch::Sender<bool>,
    threads: Vec<JoinHandle<()>>,
    folder: Private,
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Server").finish_non_exhaustive()
    }
}

impl Server {
    /// Opens all files and the session, and listens.
    ///
    /// # Errors
    /// If a file or the session cannot be read, or the address cannot be listened on.
    pub fn start(model: Arc<Model>, options: Options) -> Result<Self, ServeError> {
        if !options.host.is_loopback() && !options.token {
            return Err(ServeError::Open(options.host.to_string()));
        }
        let system = |action| move |source: io::Error| ServeError::System { action, source };
        let listener = listen(&options)?;
        let address = listener.local_addr().map_err(system("find the address"))?;
        let guard = Guard::new(address, options.token)?;
        let session = Session::open(&options.session)?;
        let folder = Private::new().map_err(system("make a folder for uploads"))?;
        let settings = Settings {
            model_name: options.model_name,
            embedded: options.embedded,
            threads: options.threads,
            max_upload: options.max_upload,
            allow_write: options.allow_write,
            osam: options.osam,
            embedded_clip: options.embedded_clip.map(|(_, bytes)| bytes),
            folder: folder.path().to_owned(),
        };
        let app = Arc::new(App::new(model, settings, guard, session));
        let started = add_all(&app, &options.paths, options.embedded_clip).and_then(|()| engine::start(&app));
        let mut threads = started?;
        let (ended, mut watch) = watch::channel(false);
        let runtime = Builder::new_current_thread().enable_all().build().map_err(system("start"))?;
        let router = api::router(Arc::clone(&app));
        let serve = move || {
            runtime.block_on(async {
                // It was bound without the runtime, so that a wrong port is an error right away.
                if let Ok(listener) = TcpListener::from_std(listener) {
                    tokio::spawn(http::serve(listener, router));
                }
                let _ = watch.wait_for(|ended| *ended).await;
            });
        };
        threads.push(thread::Builder::new().name("http".to_owned()).spawn(serve).map_err(system("start"))?);
        Ok(Self { app, ended, threads, folder })
    }

    /// The address that opens the page.
    pub fn link(&self) -> String {
        self.app.guard.link()
    }

    /// The private folder of uploads.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Whether nothing was prompted, now or before.
    pub fn is_unused(&self) -> bool {
        self.app.session.is_empty()
    }

    /// Ends the server: what is in work is stopped after its frame, and uploads are removed.
    pub fn stop(&mut self) {
        self.ended.send_replace(true);
        self.app.close();
        for thread in self.threads.drain(..) {
            // A thread that panicked has said so.
            let _ = thread.join();
        }
        self.app.session.sync();
        self.folder.remove();
    }
}

/// Puts everything of the command line into the list.
fn add_all(
    app: &App,
    paths: &[PathBuf],
    embedded: Option<(&'static str, &'static [u8])>,
) -> Result<(), ServeError> {
    let full = |e: crate::error::ApiError| ServeError::System {
        action: "open so many files",
        source: io::Error::other(e.message),
    };
    for path in paths {
        for opened in media::open(path)? {
            app.library.add(opened, None, &app.session).map_err(full)?;
        }
    }
    if let Some((name, bytes)) = embedded.filter(|_| paths.is_empty()) {
        app.library.add(media::open_embedded(name, bytes)?, None, &app.session).map_err(full)?;
    }
    Ok(())
}

/// Listens on the port, or on the next free one.
fn listen(options: &Options) -> Result<std::net::TcpListener, ServeError> {
    let first = SocketAddr::new(options.host, options.port);
    let failed = |source| ServeError::Listen { address: first.to_string(), source };
    let tried = if options.fixed_port || options.port == 0 { 1 } else { TRIED };
    let mut ports = (options.port..=u16::MAX).take(usize::from(tried)).peekable();
    loop {
        let port = ports.next().unwrap_or(options.port);
        match std::net::TcpListener::bind(SocketAddr::new(options.host, port)) {
            Ok(listener) => {
                listener.set_nonblocking(true).map_err(failed)?;
                return Ok(listener);
            }
            Err(e) if e.kind() == io::ErrorKind::AddrInUse && ports.peek().is_some() => {}
            Err(e) => return Err(failed(e)),
        }
    }
}
