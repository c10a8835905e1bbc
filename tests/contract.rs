//! What the loop promises, once for each backend: on the system's sockets, and in simulation under
//! many seeds of a network that delays, splits and nudges. One suite for the real and the fake.
//! And what the readers of bytes promise, whatever comes: the fuzz targets, on their corpora.

#[path = "contract/bed.rs"]
mod bed;
#[path = "contract/corpora.rs"]
mod corpora;
#[path = "contract/doors.rs"]
mod doors;
#[path = "contract/flow.rs"]
mod flow;
#[path = "contract/life.rs"]
mod life;
#[path = "contract/loops.rs"]
mod loops;
#[path = "contract/reach.rs"]
mod reach;
#[path = "contract/secure.rs"]
mod secure;
#[path = "../fuzz/src/targets/mod.rs"]
mod targets;
#[path = "contract/worlds.rs"]
mod worlds;

/// Instantiates each case for both backends.
macro_rules! contract {
    ($system:ident, $simulation:ident, $seeds:expr, $way:expr;
     $($module:ident: $($case:ident)*;)*) => {
        mod $system {
            $(mod $module {
                $(#[test]
                fn $case() {
                    let backend = || bellwether::reactor::OsBackend::new().unwrap();
                    crate::bed::go($way);
                    crate::$module::$case(&backend);
                })*
            })*
        }

        mod $simulation {
            $(mod $module {
                $(#[test]
                fn $case() {
                    crate::bed::go($way);
                    for seed in 1..=$seeds {
                        let faults = bellwether::reactor::SimFaults::calm();
                        let backend =
                            || bellwether::reactor::SimBackend::alone(seed, faults.clone());
                        crate::$module::$case(&backend);
                    }
                })*
            })*
        }
    };
}

/// Seeds a case is run with in simulation.
const SEEDS: u64 = 20;
/// The same over TLS, whose handshakes take their time.
const SECURED_SEEDS: u64 = 4;

/// What holds whatever the bytes go by.
macro_rules! everywhere {
    ($system:ident, $simulation:ident, $seeds:expr, $way:expr, $($door:ident)*; $($more:tt)*) => {
        contract! {
            $system, $simulation, $seeds, $way;
            flow:
                echo_comes_back_whole
                close_flushes_everything_first
                input_is_offered_with_what_was_left
                pause_holds_input_and_resume_feeds_it
                resume_offers_what_was_left_without_new_bytes
                a_full_buffer_stops_the_reader_and_drained_tells_of_room
                a_protocol_takes_its_share_of_a_turn_and_no_more
                what_was_taken_is_told_to_its_end_though_no_input_is_left
                a_fast_sender_does_not_starve_another
                input_beyond_its_cap_loses_the_connection
                a_larger_cap_lets_a_larger_message_in
                a_slow_reader_is_cut_by_the_hard_cap
                one_large_write_may_pass_the_cap
                chunks_and_writes_keep_their_order
                peers_that_stream_to_each_other_do_not_wait_for_each_other
                writes_of_one_turn_go_out_in_one_write
                a_fast_reader_may_be_sent_more_than_the_cap_in_a_turn;
            life:
                made_comes_first_and_lost_once_and_last
                a_half_closing_client_gets_its_answer
                an_unterminated_line_is_still_there_when_the_peer_closes
                a_large_answer_to_a_half_closed_client_arrives
                the_end_of_input_is_told_after_all_of_it_was_offered
                both_half_closes_end_the_connection
                a_reset_does_not_eat_the_last_reply
                an_abort_is_a_reset_for_the_peer
                nothing_is_fed_after_a_close_or_abort
                writes_after_a_close_go_nowhere
                a_closing_connection_does_not_wait_for_ever_for_the_peer
                a_closing_connection_does_not_wait_for_ever_for_a_reader
                stale_ids_do_nothing
                an_idle_connection_is_lost
                traffic_keeps_a_connection_from_being_idle
                a_timeout_is_called_once
                a_timeout_moves_and_is_taken_back
                the_default_timeout_aborts
                notified_comes_once_and_never_within
                an_error_loses_its_connection_only_and_flushes
                a_panic_loses_its_connection_only
                a_panic_in_lost_or_a_factory_or_a_timer_is_contained
                a_lost_may_end_other_connections
                a_paused_connection_hears_of_a_reset
                reasons_of_its_own_are_kept_and_counted
                classes_are_counted;
            doors:
                a_connection_is_with_whom_a_proxy_tells_of
                a_header_may_come_in_pieces
                nobody_is_served_without_the_header
                a_header_has_its_time_and_no_more
                a_header_has_its_bytes_and_no_more
                a_stop_ends_who_waits_for_a_header
                a_protocol_gives_up_its_place_with_every_byte
                who_takes_over_late_hears_of_the_end
                a_timer_may_hand_over
                a_stop_lets_clients_in_use_have_their_last_answers
                a_stop_does_not_wait_for_who_is_silent
                $($door)*;
            $($more)*
        }
    };
}

everywhere! {
    on_the_system, in_simulation, crate::SEEDS, crate::bed::Way::Clear,
    limits_of_an_address_are_for_whom_a_proxy_tells_of;
    loops:
        timers_fire_in_order_and_equal_ones_as_they_were_made
        a_timer_of_zero_waits_for_the_next_turn
        a_cancelled_timer_does_not_fire
        jobs_end_in_the_loop
        a_full_pool_says_so_and_recovers
        a_job_that_panics_is_counted
        remote_calls_arrive_in_order
        a_stop_closes_everything_and_ends_the_loop
        a_stop_waits_for_who_holds_it
        a_stop_does_not_wait_beyond_its_deadline
        a_loop_may_be_run_again
        a_connect_made_by_a_last_word_fails_while_stopping
        a_deadline_of_one_drain_does_not_cut_the_next
        the_clock_stands_still_within_a_turn;
    reach:
        a_connect_to_nobody_is_refused
        a_connect_that_hears_nothing_times_out
        a_stop_ends_connects
        a_name_is_looked_up
        a_listener_may_close_while_connections_stay
        a_taken_address_is_an_error
        connections_beyond_the_limit_are_closed
        a_flood_of_clients_leaves_room_for_peers
        local_connections_are_exempt_from_the_limit_of_an_address
        a_factory_may_say_no
        accept_errors_neither_spin_nor_end_the_listener
        accepts_that_only_fail_do_not_spin
        many_connects_at_once_all_arrive
        unix_sockets_work_the_same;
}

/// The same, and what holds of handshakes, when the bytes are enciphered on the way.
macro_rules! enciphered {
    ($system:ident, $simulation:ident, $way:expr; $($case:ident)*) => {
        everywhere! {
            $system, $simulation, crate::SECURED_SEEDS, $way,;
            secure:
                no_protocol_is_made_for_who_does_not_speak_tls
                a_server_that_does_not_speak_tls_is_no_connection
                a_handshake_has_its_time_and_no_more
                a_handshake_has_its_bytes_and_no_more
                handshakes_have_their_number_and_no_more
                handshakes_of_one_address_have_their_share
                handshakes_behind_a_proxy_have_their_number_too
                a_stop_ends_handshakes
                a_listener_that_closed_takes_nobody_from_a_handshake
                a_factory_may_still_say_no
                a_changed_byte_loses_the_connection_for_both
                an_end_that_nobody_signed_is_a_reset
                a_byte_at_a_time_is_as_good
                $($case)*;
        }
    };
}

enciphered! {
    secured_on_the_system, secured_in_simulation, crate::bed::Way::Keys;
    both_ends_know_each_other_by_their_keys
}

enciphered! {
    certified_on_the_system, certified_in_simulation, crate::bed::Way::Certificates;
    who_is_not_whom_it_dialled_is_no_connection
    certificates_may_change_while_they_are_shown
}
