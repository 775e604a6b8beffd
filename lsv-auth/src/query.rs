//! Single parameters out of the query of an address, as it stands there: nothing is percent-decoded.

/// The value of the parameter `name`; none where it is not given.
///
/// # Errors
/// [`GivenTwice`]: which of the two another program would read is anybody's guess.
pub(crate) fn value<'a>(query: &'a str, name: &str) -> Result<Option<&'a str>, GivenTwice> {
    let mut values = query
        .split('&')
        .map(|parameter| parameter.split_once('=').unwrap_or((parameter, "")))
        .filter(|(given, _)| *given == name)
        .map(|(_, value)| value);
    match (values.next(), values.next()) {
        (value, None) => Ok(value),
        (_, Some(_)) => Err(GivenTwice),
    }
}

/// A parameter stands in the query more than once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct GivenTwice;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_of_many() {
        assert_eq!(value("a=1&exp=2&b", "exp"), Ok(Some("2")));
        assert_eq!(value("&&exp=&", "exp"), Ok(Some("")));
        assert_eq!(value("exp", "exp"), Ok(Some("")));
        assert_eq!(value("exp=1=2", "exp"), Ok(Some("1=2")));
        assert_eq!(value("a=exp&Exp=2&exp2=3&e%78p=4", "exp"), Ok(None));
        assert_eq!(value("", "exp"), Ok(None));
    }

    #[test]
    fn twice_is_refused() {
        assert_eq!(value("exp=1&exp=1", "exp"), Err(GivenTwice));
        assert_eq!(value("exp=1&a&exp", "exp"), Err(GivenTwice));
    }
}
