//! A configuration that is reread: what can change while a node runs reaches those who follow it, and no session ends.

use lsv_auth::Secret;
use lsv_core::access::ChannelAuthorizer;
use lsv_core::channel::Signer;
use lsv_core::hub::OnBusy;
use lsv_core::lifecycle::Lifecycle;
use tokio::sync::watch;

use crate::config::{CertificateFiles, Config};
use crate::logging::LogLevel;

/// The configuration in force, and who follows it.
pub(crate) struct Reload {
    pub(crate) running: Config,
    pub(crate) log_level: LogLevel,
    pub(crate) on_busy: watch::Sender<OnBusy>,
    pub(crate) lifecycle: Lifecycle,
    pub(crate) signer: Signer,
    pub(crate) authorizer: ChannelAuthorizer,
    pub(crate) playback_secret: Secret,
    pub(crate) certificates: Option<watch::Sender<Vec<CertificateFiles>>>,
}

impl Reload {
    /// Puts what can change of `new` in force, and names what cannot.
    pub(crate) fn apply(&mut self, new: Config) {
        let fixed = self.running.needs_restart(&new);
        let running = &mut self.running;
        running.log_level = new.log_level;
        running.on_busy = new.on_busy;
        running.reconnect_window = new.reconnect_window;
        running.push_sign = new.push_sign;
        running.grace = new.grace;
        running.play = new.play;
        if let Some(certificates) = &self.certificates
            && !new.certificates.is_empty()
        {
            running.certificates = new.certificates;
            certificates.send_replace(running.certificates.clone());
        }

        self.log_level.set(running.log_level);
        self.on_busy.send_replace(running.on_busy);
        self.lifecycle
            .set_reconnect_window(running.reconnect_window);
        self.signer.set_algorithms(running.push_sign.clone());
        let protection = running.play.protection(&self.playback_secret);
        self.authorizer.protect(protection);
        tracing::info!("the configuration was reread");
        if !fixed.is_empty() {
            tracing::warn!(
                "these keys have changed and need a restart: {}",
                fixed.join(", ")
            );
        }
    }
}
