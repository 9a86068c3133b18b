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
        self.address_of(&self.path)
    }

    fn address_of(&self, path: &ObjectPath) -> String {
        let path = path.as_ref();
        if self.origin.starts_with("http") {
            let path = path.replace('%', "%25").replace('?', "%3F").replace('#', "%23");
            return format!("{}/{path}", self.origin);
        }
        format!("{}/{path}", self.origin)
    }

    /// The addresses of all objects below this prefix, sorted.
    ///
    /// # Errors
    /// [`TrainerError::Content`] where they cannot be listed.
    pub(crate) fn list(&self) -> Result<Vec<String>> {
        let found = self.wait(self.store.list(Some(&self.path)).try_collect::<Vec<_>>());
        let found = found.map_err(|error| self.failed("cannot be listed", &error))?;
        let mut addresses: Vec<String> = found.iter().map(|object| self.address_of(&object.location)).collect();
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
        let Parts { scheme, url, origin, path } = Parts::of(address).map_err(wrong)?;
        let mut opened = self.opened.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let store = match opened.get(&origin) {
            Some(store) => store.clone(),
            None => {
                let store = self.build(&scheme, &url).map_err(|error| wrong(error.to_string()))?;
                opened.entry(origin.clone()).or_insert(store).clone()
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

/// What an address is made of.
struct Parts {
    scheme: ObjectStoreScheme,
    /// Names the store.
    url: Url,
    /// The address up to the path in the store: a bucket is a part of it.
    origin: String,
    path: ObjectPath,
}

impl Parts {
    fn of(address: &str) -> std::result::Result<Self, String> {
        let (name, rest) = address.split_once("://").ok_or("it is not an address")?;
        if !name.starts_with("http") {
            // The key stands as it is; it is not encoded as a URL.
            let (bucket, key) = rest.split_once('/').unwrap_or((rest, ""));
            let origin = format!("{name}://{bucket}");
            let url = Url::parse(&origin).map_err(|error| error.to_string())?;
            let (scheme, _) = ObjectStoreScheme::parse(&url).map_err(|error| error.to_string())?;
            let path = ObjectPath::parse(key).map_err(|error| error.to_string())?;
            return Ok(Self { scheme, url, origin, path });
        }
        let url = Url::parse(address).map_err(|error| error.to_string())?;
        if url.query().is_some() || url.fragment().is_some() {
            return Err(
                "addresses with ? or # are not read; write them as %3F and %23, or download the recording".into()
            );
        }
        let (scheme, path) = ObjectStoreScheme::parse(&url).map_err(|error| error.to_string())?;
        let whole = ObjectPath::from_url_path(url.path()).map_err(|error| error.to_string())?;
        // Some hosts have the bucket in their paths.
        let bucket = whole.as_ref().strip_suffix(path.as_ref()).unwrap_or_default().trim_end_matches('/');
        let host = url[..Position::BeforePath].to_owned();
        let origin = if bucket.is_empty() { host } else { format!("{host}/{bucket}") };
        Ok(Self { scheme, url, origin, path })
    }
}

/// The variables of the environment whose names begin with `prefix`, in lower case.
fn variables(prefix: &str) -> impl Iterator<Item = (String, String)> {
    let text = |(key, value): (std::ffi::OsString, std::ffi::OsString)| {
        Some((key.into_string().ok()?.to_ascii_lowercase(), value.into_string().ok()?))
    };
    std::env::vars_os().filter_map(text).filter(move |(key, _)| key.starts_with(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Regression: keys were decoded as URLs, so `#1.mp3` and `?.mp3` named other objects; buckets in paths shared a store.
    #[test]
    fn keys_stand_as_they_are_and_buckets_are_apart() {
        let parts = |address: &str| Parts::of(address).map(|parts| (parts.origin, parts.path.to_string()));
        for key in ["a b/Song #1.mp3", "what?.mp3", "100%41.mp3", "\u{e4}.mp3"] {
            assert_eq!(parts(&format!("s3://bucket/{key}")).unwrap(), ("s3://bucket".into(), key.into()));
        }
        assert_eq!(parts("gs://bucket/").unwrap(), ("gs://bucket".into(), String::new()));
        assert_eq!(parts("http://host:8/a%20b/c.ogg").unwrap(), ("http://host:8".into(), "a b/c.ogg".into()));
        let one = parts("https://s3.eu-west-1.amazonaws.com/one/a/b.mp3").unwrap();
        assert_eq!(one, ("https://s3.eu-west-1.amazonaws.com/one".into(), "a/b.mp3".into()));
        assert!(parts("https://host/get?id=1").is_err());
        let stores = Stores::new(Duration::from_secs(1)).unwrap();
        let object = stores.open("http://host/a%23b/%3F.mp3").unwrap();
        assert_eq!((object.path.as_ref(), object.address().as_str()), ("a#b/?.mp3", "http://host/a%23b/%3F.mp3"));
    }
}
