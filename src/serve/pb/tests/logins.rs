//! Tokens, challenges and avatars.

use super::*;

#[test]
fn a_token_logs_in_and_its_avatar_writes_in_its_name_until_it_is_revoked() {
    let mut bench = Bench::closed();
    let token = token_of(&mut bench, "ann", Scopes::WRITER, 5);
    let mut caller = Caller::come(&mut bench);
    let avatar = caller.log_in(&mut bench, "ann", &token).unwrap();
    assert_eq!(bench.node.state.tally.pb.avatars, 1);
    let on = ObjectId::Number(avatar);
    caller.ask_of(&mut bench, on, "publish", &["A", "x"], &[]).unwrap();
    let read = caller.ask(&mut bench, "read", &["A"], &[]).unwrap();
    assert_eq!(read["author"], "ann");
    let refused = caller.ask(&mut bench, "publish", &["B", "x"], &[]).unwrap_err();
    assert!(refused.starts_with("bellwether.SignInRequired"), "{refused}");
    let refused = caller.ask_of(&mut bench, on, "withdraw", &["A"], &[]).unwrap_err();
    assert!(refused.starts_with("bellwether.Forbidden"), "{refused}");
    bench.act(&Act::Revoke { id: token.id() });
    let refused = caller.ask_of(&mut bench, on, "publish", &["B", "x"], &[]).unwrap_err();
    assert!(refused.starts_with("bellwether.SignInRequired"), "{refused}");
    // What is held no longer can't be called, and is out of the count.
    caller.broker.release(&mut caller.said, avatar);
    let gone = caller.ask_of(&mut bench, on, "read", &["A"], &[]).unwrap_err();
    assert_eq!(gone, "twisted.spread.pb.Error: Invalid Object ID");
    assert_eq!(bench.node.state.tally.pb.avatars, 0);
}

#[test]
fn a_challenge_is_answered_once_and_by_its_token_only() {
    let mut bench = Bench::closed();
    let token = token_of(&mut bench, "ann", Scopes::WRITER, 5);
    let other = token_of(&mut bench, "bob", Scopes::ALL, 6);
    let mut caller = Caller::come(&mut bench);
    for (name, token) in [("ann", &other), ("bob", &token), ("", &token), ("nobody", &token)] {
        let wrong = caller.log_in(&mut bench, name, token).unwrap_err();
        assert_eq!(wrong, "twisted.cred.error.UnauthorizedLogin: ");
    }
    assert_eq!(bench.node.state.tally.pb.avatars, 0);
    // Right, but the second answer to one challenge.
    let call = caller.begin(ObjectId::Name(b"root"), "login", vec![Jelly::Bytes(b"ann")], &[]);
    caller.talk(&mut bench, 50);
    let challenge = challenge_of(&caller.answer(call).unwrap()[0]);
    let challenger = ObjectId::Number(caller.told.remotes.pop().unwrap());
    let right = token.digest().response(&challenge);
    for (response, is_good) in [(&b"x"[..], false), (&right, false)] {
        let args = vec![Jelly::Bytes(response), Jelly::None];
        let call = caller.begin(challenger, "respond", args, &[]);
        caller.talk(&mut bench, 50);
        assert_eq!(caller.answer(call).is_ok(), is_good);
    }
    assert!(caller.log_in(&mut bench, "ann", &token).is_ok());
}

#[test]
fn an_anonymous_avatar_reads_even_where_anyone_may_write() {
    let mut bench = Bench::new();
    bench.put_text("/v1/stories/A", "a").is(201);
    let mut caller = Caller::come(&mut bench);
    let call = caller.begin(ObjectId::Name(b"root"), "loginAnonymous", vec![Jelly::None], &[]);
    caller.talk(&mut bench, 50);
    caller.answer(call).unwrap();
    let avatar = ObjectId::Number(caller.told.remotes.pop().unwrap());
    assert_eq!(caller.ask_of(&mut bench, avatar, "read", &["A"], &[]).unwrap()["body"], "a");
    let refused = caller.ask_of(&mut bench, avatar, "publish", &["B", "b"], &[]).unwrap_err();
    assert!(refused.starts_with("bellwether.SignInRequired"), "{refused}");
}

#[test]
fn more_avatars_than_there_may_be_references_end_the_connection() {
    let mut bench = Bench::new();
    bench.node.state.config.limits.pb_references = 8;
    let mut caller = Caller::come(&mut bench);
    let calls: Vec<u32> = (0..11)
        .map(|_| caller.begin(ObjectId::Name(b"root"), "loginAnonymous", Vec::new(), &[]))
        .collect();
    caller.talk(&mut bench, 100);
    let answers: Vec<bool> = calls.iter().map(|call| caller.answer(*call).is_ok()).collect();
    assert_eq!(answers.iter().filter(|good| **good).count(), 8);
    assert!(!bench.is_closed(caller.no));
    caller.begin(ObjectId::Name(b"root"), "loginAnonymous", Vec::new(), &[]);
    caller.talk(&mut bench, 100);
    assert!(bench.is_closed(caller.no));
    assert_eq!(bench.node.state.tally.pb.avatars, 0);
}
