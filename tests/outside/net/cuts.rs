//! The network breaks, and heals: halves that can't hear each other, a way that goes one way only,
//! a link that comes and goes.

use super::bed::Bed;
use super::load::Load;
use crate::harness::Reader;
use serde_json::json;

/// The two sides of a cut.
const LEFT: &[usize] = &[0, 1];
const RIGHT: &[usize] = &[2, 3, 4];

/// Waits until each side has lost the other.
fn await_apart(bed: &Bed) {
    for (side, other) in [(LEFT, RIGHT), (RIGHT, LEFT)] {
        for node in side {
            bed.await_losses(*node, other);
        }
    }
}

/// Waits until each side has found the other.
fn await_together(bed: &Bed) {
    for (side, other) in [(LEFT, RIGHT), (RIGHT, LEFT)] {
        for node in side {
            bed.await_links(*node, other);
        }
    }
}

#[test]
fn both_sides_of_a_partition_write_and_all_agree_once_it_heals() {
    let Some(bed) = Bed::mesh(|setup| setup) else { return };
    let weather = bed.http(0).write("weather", "Sun.\n");
    let doubt = bed.http(1).write("doubt", "Not sure.\n");
    bed.herd.settle();
    bed.cut(LEFT, RIGHT);
    await_apart(&bed);
    let mut ids = vec![weather.clone(), doubt.clone()];
    for node in 0..5 {
        for n in 0..20 {
            ids.push(bed.http(node).write(&format!("from-{node}-{n}"), "Seen by a half.\n"));
        }
    }
    // Both edit one story; one edits the story that the other withdraws.
    let rain = bed.http(0).edit("weather", &weather, "Rain.\n");
    let snow = bed.http(4).edit("weather", &weather, "Snow.\n");
    ids.push(bed.http(0).edit("doubt", &doubt, "Sure.\n"));
    let withdrawn = bed.http(3).delete("/v1/stories/doubt?reason=wrong").expect(200);
    ids.extend([rain.clone(), snow.clone(), withdrawn.member("id")]);
    for (side, own, other) in [(LEFT, &rain, "from-4-0"), (RIGHT, &snow, "from-0-0")] {
        bed.await_equality(side);
        for node in side {
            assert_eq!(bed.http(*node).get("/v1/stories/weather").member("id"), **own);
            bed.http(*node).get(&format!("/v1/stories/{other}")).expect(404);
        }
    }
    bed.mend(LEFT, RIGHT);
    await_together(&bed);
    bed.agree(&ids);
    let shown = bed.same_on_all("/v1/stories/weather", 200);
    let (head, other) = if shown["id"] == rain { (&rain, &snow) } else { (&snow, &rain) };
    assert_eq!((&shown["id"], &shown["conflicts"]), (&json!(head), &json!([other])));
    bed.same_on_all("/v1/stories/weather/history", 200);
    bed.same_on_all("/v1/stories?limit=200", 200);
    // A withdrawal ends what the other side thought of the story meanwhile.
    bed.same_on_all("/v1/stories/doubt", 410);
}

#[test]
fn a_way_that_lets_through_one_direction_only_is_gone_round_and_found_again() {
    let Some(bed) = Bed::mesh(|setup| setup) else { return };
    bed.cut_one_way(&[0], &[1]);
    // Each of the two must find out: one hears nothing, the other is heard by nobody.
    bed.await_losses(0, &[1]);
    bed.await_losses(1, &[0]);
    let mut ids = vec![
        bed.http(0).write("there", "Round the cut.\n"),
        bed.http(1).write("back", "Round it again.\n"),
    ];
    Reader::from_start().until_ids(bed.http(1), &ids);
    Reader::from_start().until_ids(bed.http(0), &ids);
    bed.mend_one_way(&[0], &[1]);
    bed.await_links(0, &[1]);
    // Between halves there is no way round.
    bed.cut_one_way(RIGHT, LEFT);
    await_apart(&bed);
    for node in 0..5 {
        ids.push(bed.http(node).write(&format!("apart-{node}"), "Half a herd.\n"));
    }
    bed.await_equality(LEFT);
    bed.await_equality(RIGHT);
    bed.mend_one_way(RIGHT, LEFT);
    await_together(&bed);
    bed.agree(&ids);
}

#[test]
fn a_link_that_comes_and_goes_under_load_loses_nothing() {
    let Some(bed) = Bed::line(|setup| setup) else { return };
    let mut load = Load::on(&[bed.http(0), bed.http(2), bed.http(4)], "local");
    for flap in 0..8 {
        bed.cut(&[1], &[2]);
        load.await_more(20);
        if flap % 2 == 0 {
            // Long enough to be noticed; else the connection itself bridges the gap.
            bed.await_losses(1, &[2]);
            bed.await_losses(2, &[1]);
        }
        bed.mend(&[1], &[2]);
        if flap % 4 < 2 {
            bed.await_links(1, &[2]);
        }
        load.await_more(20);
    }
    let ids = load.finish();
    bed.await_links(1, &[2]);
    bed.agree(&ids);
}
