//! A web server that fails on purpose. The first folder of an address says how.

use std::collections::HashMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// How often each address was asked for.
type Requests = Arc<Mutex<HashMap<String, usize>>>;

/// Serves a folder until the process ends.
pub(crate) struct Server {
    address: String,
}

impl Server {
    pub(crate) fn start(folder: PathBuf) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        std::thread::spawn(move || {
            let requests = Requests::default();
            for stream in listener.incoming().flatten() {
                let (folder, requests) = (folder.clone(), requests.clone());
                // A client that goes away is no failure.
                std::thread::spawn(move || drop(serve(&stream, &folder, &requests)));
            }
        });
        Self { address }
    }

    /// The address without a path.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }
}

/// Answers one request, and closes the connection.
fn serve(mut stream: &TcpStream, folder: &Path, requests: &Requests) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream).lines();
    let request = lines.next().unwrap_or(Ok(String::new()))?;
    let headers: Vec<String> = lines.map_while(Result::ok).take_while(|line| !line.is_empty()).collect();
    let mut words = request.split(' ');
    let (method, address) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let Some((kind, name)) = address.strip_prefix('/').and_then(|address| address.split_once('/')) else {
        return Ok(());
    };
    let count = {
        let mut requests = requests.lock().unwrap();
        let count = requests.entry(address.to_owned()).or_default();
        *count += 1;
        *count
    };
    let status = match kind {
        "refuses" => Some("403 Forbidden"),
        "fails" => Some("500 Internal Server Error"),
        "busy" if count < 3 => Some("503 Service Unavailable"),
        "missing" => Some("404 Not Found"),
        _ => None,
    };
    if let Some(status) = status {
        return write!(stream, "HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    }
    let bytes = std::fs::read(folder.join(name))?;
    let range = headers.iter().find_map(|line| line.to_lowercase().strip_prefix("range: bytes=").map(str::to_owned));
    let range = range.filter(|_| kind != "plain");
    let (status, start, end) = match range.as_deref().and_then(|range| range.split_once('-')) {
        Some((start, end)) => {
            let end = end.parse::<usize>().map_or(bytes.len(), |end| (end + 1).min(bytes.len()));
            ("206 Partial Content", start.parse().unwrap_or(0), end)
        }
        None => ("200 OK", 0, bytes.len()),
    };
    let part = bytes.get(start..end).unwrap_or_default();
    write!(stream, "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n", part.len())?;
    write!(stream, "Last-Modified: Wed, 21 Oct 2015 07:28:00 GMT\r\nETag: \"1\"\r\nAccept-Ranges: bytes\r\n")?;
    if range.is_some() {
        write!(stream, "Content-Range: bytes {start}-{}/{}\r\n", end.max(1) - 1, bytes.len())?;
    }
    stream.write_all(b"\r\n")?;
    if method == "HEAD" {
        return Ok(());
    }
    let stop = Duration::from_secs(60);
    match kind {
        // A part of what is asked for, and then it closes.
        "breaks" if part.len() > 10_000 => stream.write_all(&part[..part.len() * 3 / 4]),
        "half" => stream.write_all(bytes.get(start..bytes.len() / 2).unwrap_or_default()),
        "stalls" if count == 1 => {
            stream.write_all(&part[..part.len() / 2])?;
            stream.flush()?;
            std::thread::sleep(stop);
            Ok(())
        }
        "silent" => {
            std::thread::sleep(stop);
            Ok(())
        }
        _ => {
            // In pieces, as a network does.
            for piece in part.chunks(10_000) {
                stream.write_all(piece)?;
                std::thread::sleep(Duration::from_micros(200));
            }
            Ok(())
        }
    }
}
