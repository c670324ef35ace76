//! The getters of `PhaseFlagClient` and `Snapshot`.

/// Adds the getters to a [`Source`](super::source::Source).
macro_rules! getters {
    () => {
        /// Returns the boolean that the flag serves, or the default if the flag is unknown or serves
        /// a value of another type. Takes a context, or `None` for the default context.
        pub fn get_boolean_value<'a>(
            &'a self,
            key: &str,
            default: bool,
            context: impl Into<Option<&'a EvaluationContext>>,
        ) -> bool {
            let context = context.into();
            let value = match self.observer() {
                None => self.read_copy(key, context, Value::as_bool),
                Some(Observer::Recorder(_)) => self.read(key, context, Value::as_bool),
                Some(Observer::Hook(hook, _)) => {
                    return hook.boolean(self, Call { key, context }, default);
                }
            };
            value.unwrap_or_else(|| self.missed(key, default))
        }

        /// Returns the string that the flag serves, or the default if the flag is unknown or serves
        /// a value of another type. Takes a context, or `None` for the default context.
        pub fn get_string_value<'a>(
            &'a self,
            key: &str,
            default: impl Into<String>,
            context: impl Into<Option<&'a EvaluationContext>>,
        ) -> String {
            let context = context.into();
            if let Some(hook) = self.hook() {
                let mut default = Some(default);
                let mut default = || default.take().map(Into::into).unwrap_or_default();
                return hook.string(self, Call { key, context }, &mut default);
            }
            let text = |value: &Value| value.as_str().map(str::to_owned);
            let value = self.read(key, context, text);
            value.unwrap_or_else(|| self.missed(key, default).into())
        }

        /// Returns the number that the flag serves, or the default if the flag is unknown or serves
        /// a value of another type. Takes a context, or `None` for the default context.
        pub fn get_number_value<'a>(
            &'a self,
            key: &str,
            default: f64,
            context: impl Into<Option<&'a EvaluationContext>>,
        ) -> f64 {
            let context = context.into();
            let value = match self.observer() {
                None => self.read_copy(key, context, Value::as_f64),
                Some(Observer::Recorder(_)) => self.read(key, context, Value::as_f64),
                Some(Observer::Hook(hook, _)) => {
                    return hook.number(self, Call { key, context }, default);
                }
            };
            value.unwrap_or_else(|| self.missed(key, default))
        }

        /// Returns the value that the flag serves, of any type, or the default if the flag is unknown
        /// or serves `null`. Takes a context, or `None` for the default context.
        ///
        /// A `&str` as the default is a JSON string, not JSON text: parse the text for any other
        /// value.
        ///
        /// ```
        /// use phaseflag::{PhaseFlagClient, Value};
        ///
        /// let client = PhaseFlagClient::without_service().build()?;
        /// let text = r#"{"max": 10}"#;
        /// let limits = client.get_json_value("limits", text.parse::<Value>()?, None);
        /// assert_eq!(limits["max"].as_i64(), Some(10));
        /// let string = client.get_json_value("limits", text, None);
        /// assert_eq!(string.as_str(), Some(text));
        /// # Ok::<(), Box<dyn std::error::Error>>(())
        /// ```
        pub fn get_json_value<'a>(
            &'a self,
            key: &str,
            default: impl Into<Value>,
            context: impl Into<Option<&'a EvaluationContext>>,
        ) -> Value {
            let context = context.into();
            if let Some(hook) = self.hook() {
                return hook.json(self, Call { key, context }, default.into());
            }
            let any = |value: &Value| (!value.is_null()).then(|| value.clone());
            let value = self.read(key, context, any);
            value.unwrap_or_else(|| self.missed(key, default).into())
        }

        /// Returns the value, the variation and the reason, or `None` if the flag is unknown. Takes a
        /// context, or `None` for the default context.
        pub fn get_variation<'a>(
            &'a self,
            key: &str,
            context: impl Into<Option<&'a EvaluationContext>>,
        ) -> Option<EvaluationResult> {
            let context = context.into();
            if let Some(hook) = self.hook() {
                return hook.variation(self, Call { key, context });
            }
            let result = self.variation(key, context);
            if result.is_none() {
                self.miss(key);
            }
            result
        }

        /// Returns the value of [`get_boolean_value`](Self::get_boolean_value) with its variation and
        /// reason, or the default with the error that caused it.
        pub fn get_boolean_details<'a>(
            &'a self,
            key: &str,
            default: bool,
            context: impl Into<Option<&'a EvaluationContext>>,
        ) -> EvaluationDetails<bool> {
            let context = context.into();
            let result = self.result(key, context);
            let default = || self.missed(key, default);
            let details = EvaluationDetails::new(key, result, "a boolean", Value::as_bool, default);
            self.report(key, context, &details);
            details
        }

        /// Returns the value of [`get_string_value`](Self::get_string_value) with its variation and
        /// reason, or the default with the error that caused it.
        pub fn get_string_details<'a>(
            &'a self,
            key: &str,
            default: impl Into<String>,
            context: impl Into<Option<&'a EvaluationContext>>,
        ) -> EvaluationDetails<String> {
            let text = |value: &Value| value.as_str().map(str::to_owned);
            let context = context.into();
            let result = self.result(key, context);
            let default = || self.missed(key, default).into();
            let details = EvaluationDetails::new(key, result, "a string", text, default);
            self.report(key, context, &details);
            details
        }

        /// Returns the value of [`get_number_value`](Self::get_number_value) with its variation and
        /// reason, or the default with the error that caused it.
        pub fn get_number_details<'a>(
            &'a self,
            key: &str,
            default: f64,
            context: impl Into<Option<&'a EvaluationContext>>,
        ) -> EvaluationDetails<f64> {
            let context = context.into();
            let result = self.result(key, context);
            let default = || self.missed(key, default);
            let details = EvaluationDetails::new(key, result, "a number", Value::as_f64, default);
            self.report(key, context, &details);
            details
        }

        /// Returns the value of [`get_json_value`](Self::get_json_value) with its variation and
        /// reason, or the default with the error that caused it. A `&str` as the default is a JSON
        /// string, not JSON text.
        pub fn get_json_details<'a>(
            &'a self,
            key: &str,
            default: impl Into<Value>,
            context: impl Into<Option<&'a EvaluationContext>>,
        ) -> EvaluationDetails<Value> {
            let any = |value: &Value| (!value.is_null()).then(|| value.clone());
            let context = context.into();
            let result = self.result(key, context);
            let default = || self.missed(key, default).into();
            let details = EvaluationDetails::new(key, result, "a value", any, default);
            self.report(key, context, &details);
            details
        }

        /// Deserializes the value that the flag serves into a type that implements miniserde's
        /// `Deserialize`. An integer type accepts `3` and `3.0`. Takes a context, or `None` for the
        /// default context.
        ///
        /// ```
        /// use miniserde::Deserialize;
        /// use phaseflag::PhaseFlagClient;
        ///
        /// #[derive(Deserialize)]
        /// struct Checkout {
        ///     max_items: u32,
        ///     invoice: Option<bool>,
        /// }
        ///
        /// let client = PhaseFlagClient::without_service().build()?;
        /// client.start()?;
        /// client.set_override("checkout", phaseflag::Object::from([("max_items", 50)]));
        /// let checkout: Checkout = client.get_json_as("checkout", None)?;
        /// assert_eq!((checkout.max_items, checkout.invoice), (50, None));
        ///
        /// client.set_override("checkout", phaseflag::Object::from([("max_items", "many")]));
        /// let error = client.get_json_as::<Checkout>("checkout", None).err().unwrap();
        /// assert_eq!(
        ///     error.to_string(),
        ///     "flag `checkout`: failed to read `max_items`: a string was not expected"
        /// );
        /// # Ok::<(), Box<dyn std::error::Error>>(())
        /// ```
        ///
        /// # Errors
        ///
        /// Returns [`EvaluationError::NotReady`] if the client has no rules yet,
        /// [`EvaluationError::FlagNotFound`] if the flag is unknown, and
        /// [`EvaluationError::WrongShape`] if the value does not fit the type, with the path of the
        /// first mismatch.
        pub fn get_json_as<'a, T: miniserde::Deserialize>(
            &'a self,
            key: &str,
            context: impl Into<Option<&'a EvaluationContext>>,
        ) -> Result<T, EvaluationError> {
            self.get_as(key, context.into(), Value::read_as)
        }

        /// Deserializes the value that the flag serves into a type that implements serde's
        /// `DeserializeOwned`. Takes a context, or `None` for the default context.
        ///
        /// ```
        /// use phaseflag::PhaseFlagClient;
        /// use serde::Deserialize;
        ///
        /// #[derive(Debug, Deserialize)]
        /// struct Checkout {
        ///     max_items: u32,
        ///     #[serde(default)]
        ///     invoice: bool,
        /// }
        ///
        /// let client = PhaseFlagClient::without_service().build()?;
        /// client.start()?;
        /// client.set_override("checkout", serde_json::json!({"max_items": 50}));
        /// let checkout: Checkout = client.get_json_as_serde("checkout", None)?;
        /// assert_eq!((checkout.max_items, checkout.invoice), (50, false));
        ///
        /// client.set_override("checkout", serde_json::json!({"max_items": -1}));
        /// let error = client.get_json_as_serde::<Checkout>("checkout", None).unwrap_err();
        /// assert_eq!(
        ///     error.to_string(),
        ///     "flag `checkout`: failed to read `max_items`: \
        ///      invalid value: integer `-1`, expected u32"
        /// );
        /// # Ok::<(), Box<dyn std::error::Error>>(())
        /// ```
        ///
        /// # Errors
        ///
        /// Returns the errors of [`get_json_as`](Self::get_json_as).
        #[cfg(feature = "serde")]
        #[cfg_attr(docsrs, doc(cfg(feature = "serde")))]
        pub fn get_json_as_serde<'a, T: serde::de::DeserializeOwned>(
            &'a self,
            key: &str,
            context: impl Into<Option<&'a EvaluationContext>>,
        ) -> Result<T, EvaluationError> {
            self.get_as(key, context.into(), Value::read_as_serde)
        }

        /// Evaluates the flag and deserializes its value.
        fn get_as<T>(
            &self,
            key: &str,
            context: Option<&EvaluationContext>,
            read: impl FnOnce(&Value) -> Result<T, ValueError>,
        ) -> Result<T, EvaluationError> {
            let read = self.result(key, context).and_then(|result| match read(result.value()) {
                Ok(value) => Ok((value, result)),
                Err(cause) => Err(EvaluationError::wrong_shape(key, cause)),
            });
            if read.is_err() {
                self.miss(key);
            }
            if let Some(hook) = self.hook() {
                let result = read.as_ref().map(|(_, result)| result);
                let value = result.ok().map(EvaluationResult::value);
                let (context, outcome) = (self.context(context), result.into());
                hook.report(Evaluation { key, context, value, outcome });
            }
            read.map(|(value, _)| value)
        }

        /// Reports an evaluation with details.
        fn report<T: Clone + Into<Value>>(
            &self,
            key: &str,
            context: Option<&EvaluationContext>,
            details: &EvaluationDetails<T>,
        ) {
            if let Some(hook) = self.hook() {
                let value = details.value().clone().into();
                hook.report(details.evaluation(key, self.context(context), &value));
            }
        }

        /// Counts a call that returns `instead` because the flag serves no value for it.
        fn missed<T>(&self, key: &str, instead: T) -> T {
            self.miss(key);
            instead
        }
    };
}
pub(crate) use getters;
