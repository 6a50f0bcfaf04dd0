//! A standalone server.

use std::path::PathBuf;

use mongodb::Client;

use super::builder::{Builder, Options};
use super::client::{Uri, connect, create_root};
use super::process::Process;
use super::{Binary, Certificates, scratch};

/// Marks a [`Builder`] of standalone servers.
#[derive(Clone, Copy, Debug)]
pub struct Alone;

/// A running standalone server; dropping it ends the server and removes its data.
#[derive(Debug)]
pub struct Server {
    process: Process,
    options: Options,
    certificates: Option<Certificates>,
}

impl Server {
    /// A server with the settings that most tests want.
    pub async fn standalone() -> Self {
        Self::builder().start().await
    }

    /// A server with other settings.
    pub fn builder() -> Builder<Alone> {
        Builder::new(Alone)
    }

    /// A connection string with everything that a client needs.
    pub fn uri(&self) -> String {
        self.uri_for(self.options.auth.as_ref())
    }

    /// The same without credentials.
    pub fn anonymous_uri(&self) -> String {
        self.uri_for(None)
    }

    /// A client of this runtime.
    pub async fn client(&self) -> Client {
        connect(&self.uri()).await
    }

    /// Where the server listens, `127.0.0.1:port`.
    pub fn address(&self) -> String {
        self.process.address()
    }

    /// The certificates, when the server was started with TLS.
    pub fn certificates(&self) -> Option<&Certificates> {
        self.certificates.as_ref()
    }

    /// The server's log, gone with the server unless the test fails.
    pub fn log_path(&self) -> PathBuf {
        self.process.log_path()
    }

    /// Ends the server at once, as a crash would.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Stops the server where it is: connections stay open, nothing answers.
    pub fn pause(&self) {
        self.process.pause();
    }

    /// Lets a paused server go on.
    pub fn resume(&self) {
        self.process.resume();
    }

    /// Ends the server in order if it runs, and starts it again on the same data and port.
    pub async fn restart(&mut self) {
        if self.process.is_running() {
            self.process.stop().await;
        }
        self.process.start_again().await;
    }

    fn uri_for(&self, auth: Option<&(String, String)>) -> String {
        let uri = Uri::new(&[self.address()], auth, self.certificates.as_ref());
        uri.option("directConnection", "true").text()
    }
}

impl Builder<Alone> {
    /// Starts the server; returns when it answers.
    ///
    /// # Panics
    /// When there is no such server or it does not start, with the end of its log.
    pub async fn start(self) -> Server {
        let options = self.options;
        let binary = Binary::find(&options.version);
        let folder = scratch::folder("standalone");
        let certificates = options.certificates(&folder);
        let mut arguments = options.arguments(&binary, certificates.as_ref());
        if options.auth.is_some() {
            arguments.push("--auth".to_owned());
        }
        let process = Process::start(&binary, folder, arguments).await;
        let server = Server { process, options, certificates };
        if let Some(auth) = &server.options.auth {
            create_root(&connect(&server.anonymous_uri()).await, auth, 1).await;
        }
        server
    }
}
