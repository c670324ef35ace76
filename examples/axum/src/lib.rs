//! Compiles the web server of the guide's page for users of the Python SDK.

#[cfg(doctest)]
#[doc = include_str!("../../../src/guide/from_python_axum.md")]
struct FromPython;
