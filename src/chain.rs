//! An error with its causes, as people read it.

/// An error and its causes in one line; a cause that the text before it tells already is left out.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) && cause.downcast_ref::<mongoark_engine::deployment::Error>().is_none()
        {
            if is_driver_text(&cause_text) {
                break;
            }
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text
}

/// The driver's own words begin so; ours say the same more briefly.
fn is_driver_text(text: &str) -> bool {
    text.starts_with("Kind: ")
}
