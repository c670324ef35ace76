//! Fetches a URL without the client, as the baseline for a fetch by the client.

fn main() -> Result<(), ureq::Error> {
    let url = std::env::args().nth(1).unwrap_or_default();
    ureq::get(url).call()?.body_mut().read_to_vec()?;
    Ok(())
}
