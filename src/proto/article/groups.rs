//! Names of newsgroups (RFC 5536, 3.1.4).

/// True for what may be the name of a group: parts of letters, digits, `+`, `-` and `_`, with dots
/// between them.
pub fn is_group(name: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"+-_".contains(&byte);
    !name.is_empty() && name.split('.').all(|part| !part.is_empty() && part.bytes().all(is_plain))
}

/// The groups of a Newsgroups field, in order, each once; what is no name is left out.
pub(super) fn newsgroups(value: &[u8]) -> Vec<&str> {
    let mut groups = Vec::new();
    for name in value.split(|byte| *byte == b',') {
        let name = std::str::from_utf8(name.trim_ascii()).unwrap_or_default();
        if is_group(name) && !groups.contains(&name) {
            groups.push(name);
        }
    }
    groups
}
