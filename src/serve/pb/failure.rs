//! Problems as failures: `bellwether.Conflict` and kin. All are `bellwether.Error` and Twisted's
//! `pb.Error`, so that a caller can trap each of them, or all. `failure.problem` is the object that
//! HTTP would have answered with.

use super::methods::Refused;
use crate::proto::pb::{Failure, Jelly};
use crate::serve::http::Problem;

/// What every problem is.
const ERROR: &str = "bellwether.Error";
const PB_ERROR: &str = "twisted.spread.pb.Error";
const UNAUTHORIZED: &str = "twisted.cred.error.Unauthorized";

/// The class of a problem, and what it is besides.
fn class(status: u16) -> (&'static str, &'static [&'static str]) {
    match status {
        400 => ("bellwether.Malformed", &[ERROR, PB_ERROR, "builtins.ValueError"]),
        401 => ("bellwether.SignInRequired", &[ERROR, PB_ERROR, UNAUTHORIZED]),
        403 => ("bellwether.Forbidden", &[ERROR, PB_ERROR, UNAUTHORIZED]),
        404 => ("bellwether.NotFound", &[ERROR, PB_ERROR, "builtins.LookupError"]),
        409 => ("bellwether.Conflict", &[ERROR, PB_ERROR]),
        410 => ("bellwether.Gone", &[ERROR, PB_ERROR, "builtins.LookupError"]),
        413 => ("bellwether.TooLarge", &[ERROR, PB_ERROR, "builtins.ValueError"]),
        422 => ("bellwether.BadFields", &[ERROR, PB_ERROR, "builtins.ValueError"]),
        428 => ("bellwether.BaseRequired", &["bellwether.Conflict", ERROR, PB_ERROR]),
        429 | 503 => ("bellwether.TryLater", &[ERROR, PB_ERROR]),
        _ => (ERROR, &[PB_ERROR]),
    }
}

/// Hands the failure of a refused call to `tell`.
pub(super) fn tell(method: &str, refused: &Refused, tell: impl FnOnce(&Failure<'_>)) {
    match refused {
        Refused::Login => tell(&Failure::unauthorized_login()),
        Refused::Method => {
            let shown: String = method.chars().take(100).collect();
            tell(&Failure::no_such_method(&format!("No such method: remote_{shown}")));
        }
        Refused::Problem(problem) => tell_problem(problem, tell),
    }
}

fn tell_problem(problem: &Problem, tell: impl FnOnce(&Failure<'_>)) {
    let (kind, between) = class(problem.status().code());
    let mut failure = Failure::new(kind, between, problem.detail());
    let object = problem.json();
    failure.more.push(("problem", Jelly::of_json(&object)));
    tell(&failure);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::http::Status;

    #[test]
    fn a_problem_says_its_class_and_all_that_it_is() {
        let problem = Problem::new(Status::PRECONDITION_REQUIRED, "no base").with("head", 1.into());
        tell("publish", &Refused::Problem(problem), |failure| {
            assert_eq!((failure.kind, failure.value), ("bellwether.BaseRequired", "no base"));
            for class in ["bellwether.Conflict", ERROR, PB_ERROR, "builtins.Exception"] {
                assert!(failure.is_a(class), "{class}");
            }
            assert!(!failure.is_a(UNAUTHORIZED));
            let (_, problem) = &failure.more[0];
            assert_eq!(problem.to_json()["head"], 1);
        });
        tell("x", &Refused::Problem(Problem::not_found("?")), |failure| {
            assert!(failure.is_a("builtins.LookupError"));
        });
        tell(&"x".repeat(1000), &Refused::Method, |failure| {
            assert!(failure.is_a("builtins.AttributeError") && failure.value.len() < 200);
        });
        tell("respond", &Refused::Login, |failure| assert!(failure.is_a(UNAUTHORIZED)));
    }
}
