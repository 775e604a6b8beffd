//! What can be given to a node, and by which name.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Parser;
use lsv_auth::Secret;
use serde::Deserialize;

use super::{parse_secret, secret};

/// What can be given to a node, in any of the three places; absent fields take the defaults of [`Config`](super::Config).
#[derive(Debug, Clone, Default, Parser, Deserialize)]
#[command(
    name = "lsv",
    version,
    about = "Live video on one machine: push RTMP; watch HTTP-FLV, HLS, CMAF and DASH"
)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Options {
    /// TOML file with the same names as these flags
    #[arg(long, env = "LSV_CONFIG", value_name = "FILE")]
    #[serde(skip)]
    pub config: Option<PathBuf>,
    /// Where channels, secrets and recordings are kept [default: ./lsv-data]
    #[arg(long, env = "LSV_DATA", value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Where channels, recordings and what is live are kept: local, in the data folder; remote, at another node; aws [default: local]
    #[arg(long, env = "LSV_STORE", value_name = "WHERE")]
    pub store: Option<String>,
    /// The node that keeps them for this one, such as http://10.0.0.5:8080
    #[arg(long, env = "LSV_STORE_NODE", value_name = "ADDRESS")]
    pub store_node: Option<String>,
    /// What nodes show each other where one keeps things or works for another [default: the API's token]
    #[arg(long, env = "LSV_NODE_TOKEN", value_name = "TOKEN", hide_env_values = true, value_parser = parse_secret)]
    #[serde(deserialize_with = "secret")]
    pub node_token: Option<Secret>,
    /// Processors that encode for this node, such as http://10.0.0.6:8080 [default: it encodes itself]
    #[arg(long, env = "LSV_PROCESSORS", value_name = "ADDRESSES")]
    pub processors: Option<String>,
    /// Tasks that a processor does at once [default: 4]
    #[arg(long, env = "LSV_MAX_TASKS", value_name = "COUNT")]
    pub max_tasks: Option<usize>,
    /// The one task that a processor does before it ends, in JSON
    #[arg(long, env = "LSV_TASK", value_name = "JSON")]
    pub task: Option<String>,
    /// Table of DynamoDB with the channels [default: video-metadata]
    #[arg(long, env = "LSV_AWS_CHANNELS_TABLE", value_name = "NAME")]
    pub aws_channels_table: Option<String>,
    /// Table of DynamoDB with what is live [default: video-streaming]
    #[arg(long, env = "LSV_AWS_SESSIONS_TABLE", value_name = "NAME")]
    pub aws_sessions_table: Option<String>,
    /// Bucket of S3 with the recordings
    #[arg(long, env = "LSV_AWS_BUCKET", value_name = "NAME")]
    pub aws_bucket: Option<String>,
    /// What all their keys begin with
    #[arg(long, env = "LSV_AWS_PREFIX", value_name = "PREFIX")]
    pub aws_prefix: Option<String>,
    /// Class of S3 for recordings that are not kept hot [default: GLACIER_IR]
    #[arg(long, env = "LSV_AWS_COLD_CLASS", value_name = "CLASS")]
    pub aws_cold_class: Option<String>,
    /// Key of KMS that recordings are encrypted with [default: S3's own]
    #[arg(long, env = "LSV_AWS_KMS_KEY", value_name = "ARN")]
    pub aws_kms_key: Option<String>,
    /// Cluster of ECS in which processors are started [default: it encodes itself]
    #[arg(long, env = "LSV_AWS_CLUSTER", value_name = "NAME")]
    pub aws_cluster: Option<String>,
    /// Their task definition
    #[arg(long, env = "LSV_AWS_TASK_DEFINITION", value_name = "FAMILY")]
    pub aws_task_definition: Option<String>,
    /// Its container [default: processor]
    #[arg(long, env = "LSV_AWS_CONTAINER", value_name = "NAME")]
    pub aws_container: Option<String>,
    /// Subnets that they run in
    #[arg(long, env = "LSV_AWS_SUBNETS", value_name = "IDS")]
    pub aws_subnets: Option<String>,
    /// Their security groups
    #[arg(long, env = "LSV_AWS_SECURITY_GROUPS", value_name = "IDS")]
    pub aws_security_groups: Option<String>,
    /// What they run on: FARGATE, EC2 [default: FARGATE]
    #[arg(long, env = "LSV_AWS_LAUNCH_TYPE", value_name = "TYPE")]
    pub aws_launch_type: Option<String>,
    /// Service of the cluster that this node is a task of: ECS is to end those without streams first
    #[arg(long, env = "LSV_AWS_SERVICE", value_name = "NAME")]
    pub aws_service: Option<String>,
    /// Bus of EventBridge that learns what happens
    #[arg(long, env = "LSV_AWS_EVENT_BUS", value_name = "NAME")]
    pub aws_event_bus: Option<String>,
    /// Secret of Secrets Manager with secret, playback-secret, api-token, node-token and cloudfront-key, in JSON
    #[arg(long, env = "LSV_AWS_SECRET", value_name = "ID")]
    pub aws_secret: Option<String>,
    /// HTTP: players, API, metrics [default: 0.0.0.0:8080]
    #[arg(long, env = "LSV_HTTP", value_name = "ADDR")]
    pub http: Option<SocketAddr>,
    /// HTTPS with HTTP/2: the same as HTTP [default: off without a certificate, else 0.0.0.0:8443]
    #[arg(long, env = "LSV_HTTPS", value_name = "ADDR")]
    pub https: Option<SocketAddr>,
    /// RTMP [default: 0.0.0.0:1935]
    #[arg(long, env = "LSV_RTMP", value_name = "ADDR")]
    pub rtmp: Option<SocketAddr>,
    /// RTMPS [default: off without a certificate, else 0.0.0.0:1938]
    #[arg(long, env = "LSV_RTMPS", value_name = "ADDR")]
    pub rtmps: Option<SocketAddr>,
    /// Certificate chains in PEM, reread when they change; of several the one for the client's server name, else the first
    #[arg(long, env = "LSV_TLS_CERT", value_name = "FILES")]
    pub tls_cert: Option<String>,
    /// Private keys in PEM, in the same order
    #[arg(long, env = "LSV_TLS_KEY", value_name = "FILES")]
    pub tls_key: Option<String>,
    /// Send whoever asks over plain HTTP to HTTPS
    #[arg(long, env = "LSV_HTTPS_REDIRECT")]
    pub https_redirect: bool,
    /// Folder whose .well-known/acme-challenge/ is served over HTTP, for certbot --webroot and the like [default: none]
    #[arg(long, env = "LSV_ACME_WEBROOT", value_name = "DIR")]
    pub acme_webroot: Option<PathBuf>,
    /// Networks of load balancers that open RTMP and RTMPS with a PROXY protocol header, such as 10.0.0.0/8,127.0.0.1
    #[arg(long, env = "LSV_PROXY_PROTOCOL", value_name = "NETWORKS")]
    pub proxy_protocol: Option<String>,
    /// Networks of proxies in front of HTTP whose X-Forwarded-For and X-Forwarded-Proto count, such as 10.0.0.0/8
    #[arg(long, env = "LSV_TRUSTED_PROXIES", value_name = "NETWORKS")]
    pub trusted_proxies: Option<String>,
    /// The nodes that an origin gets channels from, such as http://10.0.0.7:8080,http://10.0.0.8:8080
    #[arg(long, env = "LSV_NODES", value_name = "ADDRESSES")]
    pub nodes: Option<String>,
    /// Where an origin's HLS and DASH are made: own, from one pull of each channel; nodes, to be kept as they send it [default: own]
    #[arg(long, env = "LSV_SEGMENTS", value_name = "WHERE")]
    pub segments: Option<String>,
    /// What an origin keeps in memory of what it fetched, such as 256M [default: 256M]
    #[arg(long, env = "LSV_CACHE_MEMORY", value_name = "BYTES")]
    pub cache_memory: Option<String>,
    /// What an origin keeps of recordings in its data folder, such as 16G [default: 16G]
    #[arg(long, env = "LSV_CACHE_DISK", value_name = "BYTES")]
    pub cache_disk: Option<String>,
    /// Where other nodes pull RTMP from this one, such as rtmp://10.0.0.9:1935 [default: where it is asked]
    #[arg(long, env = "LSV_NODE_ADDRESS", value_name = "ADDRESS")]
    pub node_address: Option<String>,
    /// Where they do over TLS, by a name of its certificate, such as rtmps://gateway-1.example.com:1938 [default: its address, with a certificate]
    #[arg(long, env = "LSV_NODE_RTMPS_ADDRESS", value_name = "ADDRESS")]
    pub node_rtmps_address: Option<String>,
    /// Bearer token of the API [default: made on the first start]
    #[arg(long, env = "LSV_API_TOKEN", value_name = "TOKEN", hide_env_values = true, value_parser = parse_secret)]
    #[serde(deserialize_with = "secret")]
    pub api_token: Option<Secret>,
    /// Name to sign in to the console with, beside the token [default: none]
    #[arg(long, env = "LSV_CONSOLE_USER", value_name = "NAME")]
    pub console_user: Option<String>,
    /// Its password, as the hash that `lsv hash-password` prints
    #[arg(long, env = "LSV_CONSOLE_PASSWORD", value_name = "HASH", hide_env_values = true, value_parser = parse_secret)]
    #[serde(deserialize_with = "secret")]
    pub console_password: Option<Secret>,
    /// Secret that push keys are signed with [default: made on the first start]
    #[arg(long, env = "LSV_SECRET", value_name = "SECRET", hide_env_values = true, value_parser = parse_secret)]
    #[serde(deserialize_with = "secret")]
    pub secret: Option<Secret>,
    /// Secret that playback tokens are signed with, the same on all nodes of a platform [default: made on the first start]
    #[arg(long, env = "LSV_PLAYBACK_SECRET", value_name = "SECRET", hide_env_values = true, value_parser = parse_secret)]
    #[serde(deserialize_with = "secret")]
    pub playback_secret: Option<Secret>,
    /// Whether viewers need a playback token: off, on, ip for one that is good for their address alone [default: off]
    #[arg(long, env = "LSV_PLAY_TOKEN", value_name = "RULE")]
    pub play_token: Option<String>,
    /// Whether signed URLs and cookies of CloudFront let viewers in, and nothing else does but tokens: on, off [default: off]
    #[arg(long, env = "LSV_PLAY_CLOUDFRONT", value_name = "RULE")]
    pub play_cloudfront: Option<String>,
    /// Key pairs of CloudFront whose signatures count, ids with public keys in PEM, such as K2JCJMDEHXQW5F=public.pem
    #[arg(long, env = "LSV_CLOUDFRONT_KEYS", value_name = "LIST")]
    pub cloudfront_keys: Option<String>,
    /// Hosts under which viewers reach this platform; what CloudFront signs counts under them alone [default: any]
    #[arg(long, env = "LSV_CLOUDFRONT_HOSTS", value_name = "HOSTS")]
    pub cloudfront_hosts: Option<String>,
    /// Key pair of CloudFront that the API signs play addresses with, its id with the private key in PEM, such as
    /// K2JCJMDEHXQW5F=private.pem
    #[arg(long, env = "LSV_CLOUDFRONT_SIGN", value_name = "KEY")]
    pub cloudfront_sign: Option<String>,
    /// Of lsv-api: the key pair whose signatures CloudFront asks for at all addresses; its private key is `cloudfront-key` in the secret of --aws-secret
    #[arg(long, env = "LSV_CLOUDFRONT_KEY_ID", value_name = "ID")]
    pub cloudfront_key_id: Option<String>,
    /// Hosts whose pages may embed channels, such as example.com,*.example.com [default: any]
    #[arg(long, env = "LSV_PLAY_HOSTS", value_name = "HOSTS")]
    pub play_hosts: Option<String>,
    /// Viewers who do not say which page they come from, where hosts are named: allow, refuse [default: allow]
    #[arg(long, env = "LSV_PLAY_EMPTY_REFERER", value_name = "RULE")]
    pub play_empty_referer: Option<String>,
    /// Networks that alone may watch [default: all]
    #[arg(long, env = "LSV_PLAY_ALLOW", value_name = "NETWORKS")]
    pub play_allow: Option<String>,
    /// Networks that may not watch
    #[arg(long, env = "LSV_PLAY_DENY", value_name = "NETWORKS")]
    pub play_deny: Option<String>,
    /// Most viewers of a channel at once on this node; 0 for any number [default: 0]
    #[arg(long, env = "LSV_MAX_VIEWERS", value_name = "COUNT")]
    pub max_viewers: Option<u32>,
    /// The same of one address [default: 0]
    #[arg(long, env = "LSV_MAX_VIEWERS_PER_IP", value_name = "COUNT")]
    pub max_viewers_per_ip: Option<u32>,
    /// Accepted signatures of push keys: hmac-sha256, md5 [default: hmac-sha256]
    #[arg(long, env = "LSV_PUSH_SIGN", value_name = "LIST")]
    pub push_sign: Option<String>,
    /// What a second publisher of a channel does: take-over, reject [default: take-over]
    #[arg(long, env = "LSV_ON_BUSY", value_name = "RULE")]
    pub on_busy: Option<String>,
    /// Take FLV video codec 12 for HEVC, as encoders send it that are older than Enhanced RTMP
    #[arg(long, env = "LSV_LEGACY_HEVC")]
    pub legacy_hevc: bool,
    /// How long viewers wait for a lost publisher [default: 15s]
    #[arg(long, env = "LSV_RECONNECT_WINDOW", value_name = "DURATION")]
    pub reconnect_window: Option<String>,
    /// Bits a second of a publisher above which its operator is warned, such as 8M or 2500k [default: 10M]
    #[arg(long, env = "LSV_PLAN_BITRATE", value_name = "RATE")]
    pub plan_bitrate: Option<String>,
    /// Channels that are published at once; those in their reconnect window count [default: no limit]
    #[arg(long, env = "LSV_MAX_PUBLISHERS", value_name = "COUNT")]
    pub max_publishers: Option<usize>,
    /// Bits a second of all publishers together at which one more is refused, such as 500M [default: no limit]
    #[arg(long, env = "LSV_MAX_INGEST_BITRATE", value_name = "RATE")]
    pub max_ingest_bitrate: Option<String>,
    /// Refused attempts to publish within a minute after which an address has to wait; 0 for any number [default: 20]
    #[arg(long, env = "LSV_MAX_PUBLISH_ATTEMPTS", value_name = "COUNT")]
    pub max_publish_attempts: Option<u32>,
    /// Let relays, webhooks and pictures reach private addresses
    #[arg(long, env = "LSV_ALLOW_PRIVATE_TARGETS")]
    pub allow_private_targets: bool,
    /// The ffmpeg that encodes [default: the one in PATH]
    #[arg(long, env = "LSV_FFMPEG", value_name = "FILE")]
    pub ffmpeg: Option<PathBuf>,
    /// Renditions that differ from the templates, with size, video and audio kbit/s, such as 720p=1280x720:2500:128
    #[arg(long, env = "LSV_LADDER", value_name = "LIST")]
    pub ladder: Option<String>,
    /// Kinds of recordings that are not kept hot, such as snapshot=cold,motion-clip=cold [default: all hot]
    #[arg(long, env = "LSV_STORAGE_CLASS", value_name = "LIST")]
    pub storage_class: Option<String>,
    /// How long a node may be gone before others make whole what it was recording, the same on all nodes of a platform [default: 5m]
    #[arg(long, env = "LSV_ADOPT_AFTER", value_name = "DURATION")]
    pub adopt_after: Option<String>,
    /// How long a stop may take [default: 30s]
    #[arg(long, env = "LSV_GRACE", value_name = "DURATION")]
    pub grace: Option<String>,
    /// Form of the log: text, json [default: text]
    #[arg(long, env = "LSV_LOG", value_name = "FORM")]
    pub log: Option<String>,
    /// Least level that is logged: error, warn, info, debug, trace [default: info]
    #[arg(long, env = "LSV_LOG_LEVEL", value_name = "LEVEL")]
    pub log_level: Option<String>,
    /// Publish a bundled clip to the channel `demo`, for ever
    #[arg(long, env = "LSV_DEMO")]
    pub demo: bool,
}

impl Options {
    /// These options where they are set, else those of `file`.
    pub(super) fn over(self, file: Self) -> Self {
        Self {
            config: self.config,
            data: self.data.or(file.data),
            store: self.store.or(file.store),
            store_node: self.store_node.or(file.store_node),
            node_token: self.node_token.or(file.node_token),
            processors: self.processors.or(file.processors),
            max_tasks: self.max_tasks.or(file.max_tasks),
            task: self.task.or(file.task),
            aws_channels_table: self.aws_channels_table.or(file.aws_channels_table),
            aws_sessions_table: self.aws_sessions_table.or(file.aws_sessions_table),
            aws_bucket: self.aws_bucket.or(file.aws_bucket),
            aws_prefix: self.aws_prefix.or(file.aws_prefix),
            aws_cold_class: self.aws_cold_class.or(file.aws_cold_class),
            aws_kms_key: self.aws_kms_key.or(file.aws_kms_key),
            aws_cluster: self.aws_cluster.or(file.aws_cluster),
            aws_task_definition: self.aws_task_definition.or(file.aws_task_definition),
            aws_container: self.aws_container.or(file.aws_container),
            aws_subnets: self.aws_subnets.or(file.aws_subnets),
            aws_security_groups: self.aws_security_groups.or(file.aws_security_groups),
            aws_launch_type: self.aws_launch_type.or(file.aws_launch_type),
            aws_service: self.aws_service.or(file.aws_service),
            aws_event_bus: self.aws_event_bus.or(file.aws_event_bus),
            aws_secret: self.aws_secret.or(file.aws_secret),
            http: self.http.or(file.http),
            https: self.https.or(file.https),
            rtmp: self.rtmp.or(file.rtmp),
            rtmps: self.rtmps.or(file.rtmps),
            tls_cert: self.tls_cert.or(file.tls_cert),
            tls_key: self.tls_key.or(file.tls_key),
            https_redirect: self.https_redirect || file.https_redirect,
            acme_webroot: self.acme_webroot.or(file.acme_webroot),
            proxy_protocol: self.proxy_protocol.or(file.proxy_protocol),
            trusted_proxies: self.trusted_proxies.or(file.trusted_proxies),
            nodes: self.nodes.or(file.nodes),
            segments: self.segments.or(file.segments),
            cache_memory: self.cache_memory.or(file.cache_memory),
            cache_disk: self.cache_disk.or(file.cache_disk),
            node_address: self.node_address.or(file.node_address),
            node_rtmps_address: self.node_rtmps_address.or(file.node_rtmps_address),
            api_token: self.api_token.or(file.api_token),
            console_user: self.console_user.or(file.console_user),
            console_password: self.console_password.or(file.console_password),
            secret: self.secret.or(file.secret),
            playback_secret: self.playback_secret.or(file.playback_secret),
            play_token: self.play_token.or(file.play_token),
            play_cloudfront: self.play_cloudfront.or(file.play_cloudfront),
            cloudfront_keys: self.cloudfront_keys.or(file.cloudfront_keys),
            cloudfront_hosts: self.cloudfront_hosts.or(file.cloudfront_hosts),
            cloudfront_sign: self.cloudfront_sign.or(file.cloudfront_sign),
            cloudfront_key_id: self.cloudfront_key_id.or(file.cloudfront_key_id),
            play_hosts: self.play_hosts.or(file.play_hosts),
            play_empty_referer: self.play_empty_referer.or(file.play_empty_referer),
            play_allow: self.play_allow.or(file.play_allow),
            play_deny: self.play_deny.or(file.play_deny),
            max_viewers: self.max_viewers.or(file.max_viewers),
            max_viewers_per_ip: self.max_viewers_per_ip.or(file.max_viewers_per_ip),
            push_sign: self.push_sign.or(file.push_sign),
            on_busy: self.on_busy.or(file.on_busy),
            legacy_hevc: self.legacy_hevc || file.legacy_hevc,
            reconnect_window: self.reconnect_window.or(file.reconnect_window),
            plan_bitrate: self.plan_bitrate.or(file.plan_bitrate),
            max_publishers: self.max_publishers.or(file.max_publishers),
            max_ingest_bitrate: self.max_ingest_bitrate.or(file.max_ingest_bitrate),
            max_publish_attempts: self.max_publish_attempts.or(file.max_publish_attempts),
            allow_private_targets: self.allow_private_targets || file.allow_private_targets,
            ffmpeg: self.ffmpeg.or(file.ffmpeg),
            ladder: self.ladder.or(file.ladder),
            storage_class: self.storage_class.or(file.storage_class),
            adopt_after: self.adopt_after.or(file.adopt_after),
            grace: self.grace.or(file.grace),
            log: self.log.or(file.log),
            log_level: self.log_level.or(file.log_level),
            demo: self.demo || file.demo,
        }
    }
}
