//! Options to a client. The setters never fail; `build` checks.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::PhaseFlagClient;
use super::extras::Extras;
use super::lifecycle::Inner;
use crate::config::{Bootstrap, CacheDir, Config};
use crate::context::EvaluationContext;
use crate::error::Error;
use crate::events::open_recorder;
#[cfg(feature = "http")]
use crate::events::open_spool;
use crate::rules::{open_cache, watch_bootstrap};

/// The settings of a client that is to be.
///
/// Durations of any length are accepted; one of more than ten years counts as ten years.
#[must_use]
#[derive(Clone)]
pub struct ClientBuilder {
    config: Config,
    extras: Extras,
}

impl PhaseFlagClient {
    /// Returns a builder for the service at `base_url`, which includes its version, such as
    /// `https://api.phaseflag.com/api/v1`. With an empty one the client never touches the network.
    pub fn builder(base_url: impl Into<String>, api_key: impl Into<String>) -> ClientBuilder {
        let config =
            Config { base_url: base_url.into(), api_key: api_key.into(), ..Config::default() };
        ClientBuilder { config, extras: Extras::default() }
    }
}

impl ClientBuilder {
    /// Sets the environment whose flags are wanted, such as `production`: flags that carry another
    /// `environment` are treated as absent, whatever brings them. Flags that carry none stay. Names
    /// are compared exactly. Must not be empty.
    ///
    /// Of two flags with the same key, one that carries the environment wins over one that carries
    /// none; otherwise the last one wins. What [`fetch_ruleset`](PhaseFlagClient::fetch_ruleset)
    /// returns and [`cache_dir`](ClientBuilder::cache_dir) remembers stays whole.
    ///
    /// Defaults to the flags of all environments; of several with the same key the last one wins.
    pub fn environment(mut self, name: impl Into<String>) -> ClientBuilder {
        self.config.environment = Some(name.into());
        self
    }

    /// Sets the time between two polls. Zero polls until one ruleset is accepted, and never again.
    /// Otherwise it must be at least 10 ms; below 1 s, the start logs a warning with the requests
    /// per minute.
    ///
    /// Defaults to 30 s.
    pub fn polling_interval(mut self, interval: Duration) -> ClientBuilder {
        self.config.polling_interval = interval;
        self
    }

    /// Sets the longest that an event waits for its batch to fill up. Must not be zero.
    ///
    /// Defaults to 30 s.
    pub fn event_flush_interval(mut self, interval: Duration) -> ClientBuilder {
        self.config.event_flush_interval = interval;
        self
    }

    /// Sets how many events make a batch. Must not be zero, nor exceed the capacity of the queue;
    /// a request never holds more than 500. A complete batch goes within 50 ms, so that others can
    /// join it; at once where a batch is one event, or half of the queue is taken.
    ///
    /// Defaults to 100.
    pub fn event_batch_size(mut self, events: usize) -> ClientBuilder {
        self.config.event_batch_size = events;
        self
    }

    /// Sets how many events may be tracked and not yet delivered. Must not be zero, nor less than
    /// the batch size.
    ///
    /// Defaults to 10,000.
    pub fn event_queue_capacity(mut self, events: usize) -> ClientBuilder {
        self.config.event_queue_capacity = events;
        self
    }

    /// Sets whether evaluations become events by themselves: one event for each flag, variation and
    /// identifier within an `event_flush_interval`, of the first such evaluation. The next interval
    /// begins with the first evaluation after the last one is over; a flush begins none.
    ///
    /// What the typed getters and `get_variation` evaluate is recorded, of the client and of its
    /// snapshots, whatever type the value has, while the client is not stopped. Not recorded are
    /// overrides, flags that are not known, those that another flag requires, and what anything
    /// else evaluates. Without a `base_url` nothing is recorded.
    ///
    /// The events are queued as tracked ones are, and everything that holds for those holds for
    /// them. Each has the key of the flag, that of the variation where there is one, the user's
    /// identifier, and as metadata `"source": "evaluation"` and the `"reason"`, such as
    /// `"targeting_match"`. Where the context has no user, there is no `user_id`, and the session
    /// is the metadata `"session_id"`; where it has neither, all such evaluations are as one.
    /// Attributes of the context are not sent, its identifiers are.
    ///
    /// An interval has room for `event_queue_capacity` different evaluations, at most 1,048,576.
    /// Those beyond are not recorded, and counted as `dropped_interval_full`. One that was dropped
    /// because the queue was full is not tried again in its interval. To know which were recorded
    /// takes 16 to 32 bytes for each that there is room for, 256 KiB by default, from `build` on.
    /// They are known by hashes of 56 bits from a secret seed: with n of them, one time in 2⁵⁶/n
    /// another one is taken for known, and has no event.
    ///
    /// An evaluation that is known takes no further lock, and looks at no clock unless events are
    /// being delivered or wait to be tried again. One that is new takes a lock, and the first after
    /// an interval may free part of what was known: microseconds, whatever the capacity.
    ///
    /// Defaults to `false`.
    pub fn record_evaluations(mut self, record: bool) -> ClientBuilder {
        self.extras.recorder = record.then_some(open_recorder);
        self
    }

    /// Sets a file where events are left that could not be delivered by the end of
    /// [`stop`](PhaseFlagClient::stop), or that [`stop_now`](PhaseFlagClient::stop_now) did not
    /// try to deliver. The next client of the same service and key delivers them before its own:
    /// one client at a time, after a second, or before its first delivery, or at its end. Such
    /// an end waits for that, for at most `shutdown_timeout`. Clients of any service and key may
    /// share a file, for its owner alone; others beside it hold locks. It outlives a program
    /// that is killed, and not the end of a machine's power.
    ///
    /// Without a `base_url` nothing is left.
    ///
    /// Defaults to dropping such events.
    pub fn event_spool(mut self, path: impl Into<PathBuf>) -> ClientBuilder {
        self.config.event_spool = Some(path.into());
        #[cfg(feature = "http")]
        {
            self.extras.spool = Some(open_spool);
        }
        self
    }

    /// Sets how large the file of [`event_spool`](ClientBuilder::event_spool) may become, in
    /// bytes. To make room, the oldest events are dropped, and counted. Must not be zero.
    ///
    /// Defaults to 8 MiB.
    pub fn event_spool_size(mut self, bytes: usize) -> ClientBuilder {
        self.config.event_spool_size = bytes;
        self
    }

    /// Sets a file of rules that `start` serves until the service has answered. Replaces a text
    /// that was set before.
    pub fn bootstrap_file(mut self, path: impl Into<PathBuf>) -> ClientBuilder {
        self.config.bootstrap = Some(Bootstrap::File(path.into()));
        self
    }

    /// Sets how often the bootstrap file is looked at again, for machines whose file is replaced by
    /// their configuration management: renamed over, written anew, or a link that moved. New rules
    /// come into force when they are whole and valid, and listeners hear of them; otherwise the
    /// old ones stay. An empty list of flags is valid. Needs a thread and no network. A file that
    /// is not there yet is no error of `start`; it must be a regular one. Ends when the service
    /// has sent rules of its own. Must be at least 10 ms.
    ///
    /// Defaults to looking at it once, at the start.
    pub fn bootstrap_watch(mut self, interval: Duration) -> ClientBuilder {
        self.config.bootstrap_watch = Some(interval);
        self.extras.watch = Some(watch_bootstrap);
        self
    }

    /// Sets the text of rules that `start` serves until the service has answered. Replaces a file
    /// that was set before.
    pub fn bootstrap_text(mut self, text: impl Into<String>) -> ClientBuilder {
        self.config.bootstrap = Some(Bootstrap::Text(text.into()));
        self
    }

    /// Sets an address that rules are fetched from where the service does not answer and there
    /// are none yet. The key goes along only to the host of `base_url`; an address that begins
    /// with `/` is on that host.
    pub fn bootstrap_url(mut self, url: impl Into<String>) -> ClientBuilder {
        self.config.bootstrap_url = Some(url.into());
        self
    }

    /// Sets a folder where the client remembers each ruleset that the service sends, for its next
    /// start: that one serves it at once, before the service has answered, and instead of a
    /// bootstrap. One file for each service and key, for its owner alone; the key is in neither
    /// its name nor its text. A second file remembers which paths the service has for rules with
    /// segments and for [`evaluate`](crate::PhaseFlagClient::evaluate), unless they are the usual
    /// ones, so that a short program makes one request for either. A folder that is not there is made. What goes wrong with it is
    /// logged once, and everything works as if there were none. Without a `base_url` nothing is
    /// remembered.
    ///
    /// Defaults to remembering nothing.
    pub fn cache_dir(mut self, path: impl Into<PathBuf>) -> ClientBuilder {
        self.config.cache_dir = Some(CacheDir::Path(path.into()));
        self.extras.cache = Some(open_cache);
        self
    }

    /// Sets the folder of [`cache_dir`](ClientBuilder::cache_dir) to `phaseflag` in the platform's
    /// folder for caches: `$XDG_CACHE_HOME`, or else `$HOME/.cache`; `$HOME/Library/Caches` on
    /// Apple's systems; `%LOCALAPPDATA%` on Windows.
    pub fn cache_dir_default(mut self) -> ClientBuilder {
        self.config.cache_dir = Some(CacheDir::Platform);
        self.extras.cache = Some(open_cache);
        self
    }

    /// Sets how long ago the service may have confirmed a remembered ruleset for the client to be
    /// ready with it: it then makes no request before the next poll is due, and none at all where
    /// `polling_interval` is zero. An older one is served, too, while the service is asked.
    ///
    /// Defaults to zero: the service is asked at every start.
    pub fn cache_max_age(mut self, age: Duration) -> ClientBuilder {
        self.config.cache_max_age = age;
        self
    }

    /// Sets whether the client counts as ready with a remembered ruleset or a bootstrap alone, and
    /// also when everything that could be tried has failed. Polling goes on all the same.
    ///
    /// Defaults to `false`.
    pub fn offline_mode(mut self, offline: bool) -> ClientBuilder {
        self.config.offline_mode = offline;
        self
    }

    /// Sets the longest that one request may take, from name resolution to the last byte. Must not
    /// be zero.
    ///
    /// Defaults to 10 s.
    pub fn request_timeout(mut self, timeout: Duration) -> ClientBuilder {
        self.config.request_timeout = timeout;
        self
    }

    /// Sets the longest that `stop`, or dropping the last handle, may take to deliver events. They
    /// try again while there is time, unless the service refuses the key.
    ///
    /// Defaults to 5 s.
    pub fn shutdown_timeout(mut self, timeout: Duration) -> ClientBuilder {
        self.config.shutdown_timeout = timeout;
        self
    }

    /// Sets the context for calls that pass none. It is not merged with one that is passed.
    ///
    /// Defaults to an empty context.
    pub fn default_context(mut self, context: EvaluationContext) -> ClientBuilder {
        self.config.default_context = Some(Arc::new(context));
        self
    }

    /// Sets whether polls ask for changes only, by the `ETag` of the last ruleset.
    ///
    /// Defaults to doing so where the ruleset's `version` is a number: services that send a
    /// string derive their `ETag` from the flags' ids alone and would hide a changed rule.
    pub fn conditional_fetch(mut self, conditional: bool) -> ClientBuilder {
        self.config.conditional_fetch = Some(conditional);
        self
    }

    /// Sets the largest body that is accepted, in bytes after decompression, and the largest
    /// bootstrap file. Must not be zero.
    ///
    /// Defaults to 64 MiB.
    pub fn max_body_size(mut self, bytes: usize) -> ClientBuilder {
        self.config.max_body_size = bytes;
        self
    }

    /// Sets the HTTP proxy that every request goes through, such as `http://user:pass@proxy:3128`.
    ///
    /// Defaults to the first of `ALL_PROXY`, `all_proxy`, `HTTPS_PROXY`, `https_proxy`,
    /// `HTTP_PROXY` and `http_proxy` that is set and not empty, whatever the scheme of the
    /// request, except for hosts that `NO_PROXY` lists, which does not count for a proxy that is
    /// set here. One that cannot be used is an error.
    pub fn proxy(mut self, url: impl Into<String>) -> ClientBuilder {
        self.config.proxy = Some(url.into());
        self
    }

    /// Sets the certificates of the authorities that are trusted, in PEM, instead of those that
    /// are built in.
    pub fn root_certificates_pem(mut self, pem: impl Into<Vec<u8>>) -> ClientBuilder {
        self.config.root_certificates_pem = Some(pem.into());
        self
    }

    /// Checks the settings and makes a client of them. Touches no network, reads no file, starts
    /// no thread.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidSetting`], which names the setting: a URL that is none, has a query or
    /// credentials, or a scheme other than `http` and `https`, or needs a feature that the crate
    /// was built without; an environment that is empty; a key that is empty or that no header can
    /// carry; a request timeout, body size, flush interval, capacity, batch or spool of zero; a
    /// polling interval that is not zero and below 10 ms; a batch larger than the capacity; a watch
    /// below 10 ms, or without a bootstrap file; an empty path of a spool or a cache; a bootstrap
    /// URL without a base URL; a proxy or certificates that cannot be used.
    pub fn build(self) -> Result<PhaseFlagClient, Error> {
        Ok(PhaseFlagClient::new(Inner::new(self.config.check()?, self.extras)?))
    }
}

/// Without the key, the texts, and the addresses, which may hold secrets until they are checked.
impl fmt::Debug for ClientBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = f.debug_struct("ClientBuilder");
        self.config.show(&mut text);
        text.finish_non_exhaustive()
    }
}
