//! nginx, with one worker, of files and of what another server has.

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::time::Duration;

use lsv_tests::{Process, eventually};
use tokio::net::TcpStream;

/// A running nginx.
pub(crate) struct Nginx {
    process: Process,
    /// Where it serves the files that it was told to keep.
    pub(crate) address: String,
    /// Where it serves what `upstream` has, from its cache.
    pub(crate) cache: String,
    root: std::path::PathBuf,
}

impl Nginx {
    /// Starts it in `folder`, in front of the server `upstream`, host and port.
    pub(crate) async fn start(folder: &Path, upstream: &str) -> Self {
        let root = folder.join("root");
        fs::create_dir_all(&root).expect("a folder");
        // It cannot say which port it got, so one is looked for.
        let (path, address, cache) = (folder.display(), free(), free());
        let user = if rustix::process::geteuid().is_root() {
            "user root;"
        } else {
            ""
        };
        let config = format!(
            "{user} worker_processes 1; daemon off; pid {path}/nginx.pid; error_log {path}/error.log;
             events {{ worker_connections 1024; }}
             http {{
                access_log off; sendfile on; tcp_nopush on; keepalive_requests 100000000; open_file_cache max=100;
                types {{ video/mp2t ts; application/vnd.apple.mpegurl m3u8; }}
                client_body_temp_path {path}; proxy_temp_path {path}; fastcgi_temp_path {path};
                uwsgi_temp_path {path}; scgi_temp_path {path};
                server {{ listen {address}; root {path}/root; }}
                proxy_cache_path {path}/kept keys_zone=kept:10m max_size=1g use_temp_path=off;
                server {{
                    listen {cache};
                    location / {{
                        proxy_pass http://{upstream}; proxy_http_version 1.1; proxy_set_header Connection '';
                        proxy_cache kept; proxy_cache_lock on; proxy_cache_valid 200 1h;
                    }}
                }}
             }}"
        );
        let file = folder.join("nginx.conf");
        fs::write(&file, config).expect("a file to write");
        let program = ["/usr/sbin/nginx", "nginx"]
            .into_iter()
            .find(|program| Path::new(program).exists());
        let line = [
            "-p",
            folder.to_str().expect("UTF-8"),
            "-c",
            file.to_str().expect("UTF-8"),
        ];
        let process = Process::start(program.unwrap_or("nginx"), line);
        eventually("nginx listens", async || {
            TcpStream::connect(&address).await.ok()
        })
        .await;
        Self {
            process,
            address,
            cache,
            root,
        }
    }

    /// Serves `body` at `path`.
    pub(crate) fn keep(&self, path: &str, body: &[u8]) {
        let file = self.root.join(path.trim_start_matches('/'));
        fs::create_dir_all(file.parent().expect("a folder")).expect("a folder");
        fs::write(file, body).expect("a file to write");
    }

    /// Of the worker, which does all the work.
    pub(crate) fn processor_time(&self) -> Duration {
        let id = self.process.id();
        let children =
            fs::read_to_string(format!("/proc/{id}/task/{id}/children")).expect("the process runs");
        children.split_whitespace().map(processor_time).sum()
    }
}

fn processor_time(id: &str) -> Duration {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).expect("the process runs");
    let (_, fields) = stat.rsplit_once(')').expect("a name in parentheses");
    let ticks = fields.split_whitespace().skip(11).take(2);
    let ticks: u64 = ticks
        .map(|ticks| ticks.parse::<u64>().expect("ticks"))
        .sum();
    Duration::from_millis(ticks * 1000 / rustix::param::clock_ticks_per_second())
}

fn free() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    format!("127.0.0.1:{}", listener.expect("a free port").port())
}
