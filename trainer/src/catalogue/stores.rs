//! Object stores: S3, Google Cloud Storage, Azure and web servers.

use crate::error::{Result, TrainerError};
use futures::TryStreamExt as _;
use object_store::aws::AmazonS3Builder;
use object_store::azure::MicrosoftAzureBuilder;
use object_store::gcp::GoogleCloudStorageBuilder;
use object_store::http::HttpBuilder;
use object_store::path::Path as ObjectPath;
use object_store::{BackoffConfig, ClientOptions, ObjectStore, ObjectStoreScheme, RetryConfig};
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::runtime::{Builder, Handle, Runtime};
use url::{Position, Url};

/// How often a request is sent again.
const RETRIES: usize = 4;

/// Time to connect to a store.
const CONNECT: Duration = Duration::from_secs(10);

/// An object of a store, or a prefix of such.
#[derive(Clone)]
pub(crate) struct Object {
    pub(crate) store: Arc<dyn ObjectStore>,
    pub(crate) path: ObjectPath,
    /// The address without the path.
    origin: Arc<str>,
    runtime: Handle,
}

impl Object {
    /// Waits for what a store does.
    pub(crate) fn wait<T>(&self, work: impl Future<Output = T>) -> T {
        self.runtime.block_on(work)
    }

    /// An object below this prefix.
    pub(crate) fn join(&self, name: &str) -> Self {
        Self { path: self.path.clone().join(name), ..self.clone() }
    }

    /// The address.
    pub(crate) fn address(&self) -> String {
        format!("{}/{}", self.origin, self.path)
    }

    /// The addresses of all objects below this prefix, sorted.
    ///
    /// # Errors
    /// [`TrainerError::Content`] where they cannot be listed.
    pub(crate) fn list(&self) -> Result<Vec<String>> {
        let found = self.wait(self.store.list(Some(&self.path)).try_collect::<Vec<_>>());
        let found = found.map_err(|error| self.failed("cannot be listed", &error))?;
        let mut addresses: Vec<String> =
            found.into_iter().map(|object| format!("{}/{}", self.origin, object.location)).collect();
        addresses.sort();
        Ok(addresses)
    }

    /// The error of a store, as one sentence on one line.
    pub(crate) fn failed(&self, what: &str, error: &object_store::Error) -> TrainerError {
        let why = match error {
            object_store::Error::NotFound { .. } => "there is no such object".to_owned(),
            object_store::Error::PermissionDenied { .. } | object_store::Error::Unauthenticated { .. } => {
                "the store refuses it; check the credentials in the environment".to_owned()
            }
            error => error.to_string().split_whitespace().collect::<Vec<_>>().join(" "),
        };
        TrainerError::content(std::path::Path::new(&self.address()), format!("{what}: {why}"))
    }
}

/// The stores of a run, each opened once.
pub struct Stores {
    runtime: Runtime,
    /// Time after which a store that sends nothing is asked again.
    timeout: Duration,
    opened: Mutex<HashMap<String, Arc<dyn ObjectStore>>>,
}

impl Stores {
    /// No store yet. One that sends nothing for `timeout` is asked again.
    ///
    /// # Errors
    /// [`TrainerError::Request`] where no thread can be started.
    pub fn new(timeout: Duration) -> Result<Self> {
        // Fails where a provider was chosen before, which serves as well.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let runtime =
            Builder::new_multi_thread().worker_threads(2).enable_all().build().map_err(|error| {
                TrainerError::Request(format!("no thread can be started for object stores: {error}"))
            })?;
        Ok(Self { runtime, timeout, opened: Mutex::default() })
    }

    /// Opens an address. Keys and end points are read from the environment: `AWS_`, `GOOGLE_` and `AZURE_` variables.
    ///
    /// # Errors
    /// [`TrainerError::Content`] where the address or the environment is not valid.
    pub(crate) fn open(&self, address: &str) -> Result<Object> {
        let wrong =
            |why: String| TrainerError::content(std::path::Path::new(address), format!("cannot be opened: {why}"));
        let url = Url::parse(address).map_err(|error| wrong(error.to_string()))?;
        let (scheme, path) = ObjectStoreScheme::parse(&url).map_err(|error| wrong(error.to_string()))?;
        let origin = address.strip_suffix(&url[Position::BeforePath..]);
        // A path that is written without escapes is longer in the parsed address.
        let origin = origin.unwrap_or(&url[..Position::BeforePath]);
        let origin = origin.strip_suffix('/').unwrap_or(origin);
        let mut opened = self.opened.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let store = match opened.get(origin) {
            Some(store) => store.clone(),
            None => {
                let store = self.build(&scheme, &url).map_err(|error| wrong(error.to_string()))?;
                opened.entry(origin.to_owned()).or_insert(store).clone()
            }
        };
        Ok(Object { store, path, origin: origin.into(), runtime: self.runtime.handle().clone() })
    }

    /// The store of an address.
    fn build(&self, scheme: &ObjectStoreScheme, url: &Url) -> object_store::Result<Arc<dyn ObjectStore>> {
        let backoff = BackoffConfig { init_backoff: Duration::from_millis(200), ..BackoffConfig::default() };
        let retry = RetryConfig { backoff, max_retries: RETRIES, retry_timeout: 4 * self.timeout };
        // A file is read at the speed of its decoding, so its request as a whole has no limit.
        let client = ClientOptions::new()
            .with_timeout_disabled()
            .with_read_timeout(self.timeout)
            .with_connect_timeout(CONNECT.min(self.timeout))
            .with_allow_http(url.scheme() == "http");
        macro_rules! build {
            ($builder:ty, $prefix:literal) => {{
                let builder = <$builder>::new().with_url(url.as_str()).with_retry(retry).with_client_options(client);
                let builder = variables($prefix).fold(builder, |builder, (key, value)| match key.parse() {
                    Ok(key) => builder.with_config(key, value),
                    Err(_) => builder,
                });
                Arc::new(builder.build()?)
            }};
        }
        Ok(match scheme {
            ObjectStoreScheme::AmazonS3 => build!(AmazonS3Builder, "aws_"),
            ObjectStoreScheme::GoogleCloudStorage => build!(GoogleCloudStorageBuilder, "google_"),
            ObjectStoreScheme::MicrosoftAzure => build!(MicrosoftAzureBuilder, "azure_"),
            _ => Arc::new(
                HttpBuilder::new()
                    .with_url(&url[..Position::BeforePath])
                    .with_retry(retry)
                    .with_client_options(client)
                    .build()?,
            ),
        })
    }
}

/// The variables of the environment whose names begin with `prefix`, in lower case.
fn variables(prefix: &str) -> impl Iterator<Item = (String, String)> {
    let text = |(key, value): (std::ffi::OsString, std::ffi::OsString)| {
        Some((key.into_string().ok()?.to_ascii_lowercase(), value.into_string().ok()?))
    };
    std::env::vars_os().filter_map(text).filter(move |(key, _)| key.starts_with(prefix))
}
