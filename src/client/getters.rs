//! The typed getters, which a client and a snapshot of it have in common.

/// Adds the getters to a type that has `read`, which hands over the value that a flag serves,
/// `variation`, which returns all there is to say of it, and `has_answers` and `not_ready`, which
/// say whether a flag that is not found is unknown, and else why nothing is known yet.
macro_rules! getters {
    () => {
        /// Returns the boolean that the flag serves; the default where the flag is not known or
        /// serves something else. Takes a context, or `None` for the default context.
        pub fn get_boolean_value<'a>(
            &'a self,
            key: &str,
            default: bool,
            context: impl Into<Option<&'a EvaluationContext>>,
        ) -> bool {
            self.read(key, context.into(), Value::as_bool).unwrap_or(default)
        }

        /// Returns the string that the flag serves; the default where the flag is not known or
        /// serves something else. Takes a context, or `None` for the default context.
        pub fn get_string_value<'a>(
            &'a self,
            key: &str,
            default: impl Into<String>,
            context: impl Into<Option<&'a EvaluationContext>>,
        ) -> String {
            let text = |value: &Value| value.as_str().map(str::to_owned);
            self.read(key, context.into(), text).unwrap_or_else(|| default.into())
        }

        /// Returns the number that the flag serves; the default where the flag is not known or
        /// serves something else. Takes a context, or `None` for the default context.
        pub fn get_number_value<'a>(
            &'a self,
            key: &str,
            default: f64,
            context: impl Into<Option<&'a EvaluationContext>>,
        ) -> f64 {
            self.read(key, context.into(), Value::as_f64).unwrap_or(default)
        }

        /// Returns the value that the flag serves, whatever its type; the default where the flag
        /// is not known or serves `null`. Takes a context, or `None` for the default context.
        pub fn get_json_value<'a>(
            &'a self,
            key: &str,
            default: impl Into<Value>,
            context: impl Into<Option<&'a EvaluationContext>>,
        ) -> Value {
            let any = |value: &Value| (!value.is_null()).then(|| value.clone());
            self.read(key, context.into(), any).unwrap_or_else(|| default.into())
        }

        /// Returns what the flag serves, and why; `None` where the flag is not known. Takes a
        /// context, or `None` for the default context.
        pub fn get_variation<'a>(
            &'a self,
            key: &str,
            context: impl Into<Option<&'a EvaluationContext>>,
        ) -> Option<EvaluationResult> {
            self.variation(key, context.into())
        }

        /// Returns what [`get_boolean_value`](Self::get_boolean_value) does, with its reason and
        /// variation, or why it is the default.
        pub fn get_boolean_details<'a>(
            &'a self,
            key: &str,
            default: bool,
            context: impl Into<Option<&'a EvaluationContext>>,
        ) -> EvaluationDetails<bool> {
            let result = self.result(key, context.into());
            EvaluationDetails::new(key, result, "a boolean", Value::as_bool, || default)
        }

        /// Returns what [`get_string_value`](Self::get_string_value) does, with its reason and
        /// variation, or why it is the default.
        pub fn get_string_details<'a>(
            &'a self,
            key: &str,
            default: impl Into<String>,
            context: impl Into<Option<&'a EvaluationContext>>,
        ) -> EvaluationDetails<String> {
            let text = |value: &Value| value.as_str().map(str::to_owned);
            let result = self.result(key, context.into());
            EvaluationDetails::new(key, result, "a string", text, || default.into())
        }

        /// Returns what [`get_number_value`](Self::get_number_value) does, with its reason and
        /// variation, or why it is the default.
        pub fn get_number_details<'a>(
            &'a self,
            key: &str,
            default: f64,
            context: impl Into<Option<&'a EvaluationContext>>,
        ) -> EvaluationDetails<f64> {
            let result = self.result(key, context.into());
            EvaluationDetails::new(key, result, "a number", Value::as_f64, || default)
        }

        /// Returns what [`get_json_value`](Self::get_json_value) does, with its reason and
        /// variation, or why it is the default.
        pub fn get_json_details<'a>(
            &'a self,
            key: &str,
            default: impl Into<Value>,
            context: impl Into<Option<&'a EvaluationContext>>,
        ) -> EvaluationDetails<Value> {
            let any = |value: &Value| (!value.is_null()).then(|| value.clone());
            let result = self.result(key, context.into());
            EvaluationDetails::new(key, result, "a value", any, || default.into())
        }

        /// Reads the value that the flag serves as a type of the program that derives miniserde's
        /// `Deserialize`. A whole number is read as an integer, whether it stands as `3` or as
        /// `3.0`. Takes a context, or `None` for the default context.
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
        /// let client = PhaseFlagClient::builder("", "").build()?;
        /// client.start()?;
        /// client.set_override("checkout", phaseflag::Object::from([("max_items", 50)]));
        /// let checkout: Checkout = client.get_json_as("checkout", None)?;
        /// assert_eq!((checkout.max_items, checkout.invoice), (50, None));
        ///
        /// client.set_override("checkout", phaseflag::Object::from([("max_items", "many")]));
        /// let error = client.get_json_as::<Checkout>("checkout", None).err().unwrap();
        /// assert_eq!(
        ///     error.to_string(),
        ///     "flag `checkout`: failed to read `max_items`: a string was not expected there"
        /// );
        /// # Ok::<(), Box<dyn std::error::Error>>(())
        /// ```
        ///
        /// # Errors
        ///
        /// [`EvaluationError::NotReady`] and [`EvaluationError::FlagNotFound`] where nothing is
        /// served, and [`EvaluationError::WrongShape`] with the path of the first place that is
        /// not what the type expects.
        pub fn get_json_as<'a, T: miniserde::Deserialize>(
            &'a self,
            key: &str,
            context: impl Into<Option<&'a EvaluationContext>>,
        ) -> Result<T, EvaluationError> {
            let result = self.result(key, context.into())?;
            result.value().read_as().map_err(|cause| EvaluationError::wrong_shape(key, cause))
        }

        /// Does what [`get_json_as`](Self::get_json_as) does with a type that derives serde's
        /// `Deserialize`.
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
        /// let client = PhaseFlagClient::builder("", "").build()?;
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
        /// As `get_json_as`.
        #[cfg(feature = "serde")]
        #[cfg_attr(docsrs, doc(cfg(feature = "serde")))]
        pub fn get_json_as_serde<'a, T: serde::de::DeserializeOwned>(
            &'a self,
            key: &str,
            context: impl Into<Option<&'a EvaluationContext>>,
        ) -> Result<T, EvaluationError> {
            let result = self.result(key, context.into())?;
            result.value().read_as_serde().map_err(|cause| EvaluationError::wrong_shape(key, cause))
        }

        /// Returns what the flag serves, or why there is nothing.
        fn result(
            &self,
            key: &str,
            context: Option<&EvaluationContext>,
        ) -> Result<EvaluationResult, EvaluationError> {
            // Before the flag is looked for: rules may come meanwhile.
            let answers = self.has_answers();
            self.variation(key, context).ok_or_else(|| match answers {
                true => EvaluationError::flag_not_found(key),
                false => self.not_ready(key),
            })
        }
    };
}
pub(crate) use getters;
