//! Where publishing goes on: what the stream holds decides, the saved cursor only where the stream is empty.

use async_nats::HeaderMap;
use async_nats::jetstream::context::Context;
use bytes::Bytes;

use super::*;

/// A server that has forgotten by the next [`publish`] what came before.
async fn forgetful() -> Server {
    let server = Server::start("").await;
    make_forgetful_stream(&server).await;
    server
}

/// Publishes `count` events and stops.
async fn publish(server: &Server, log: &Arc<Log>, count: usize) {
    sleep(2 * REMEMBERS).await;
    let nats = start(options(server), log);
    log.puts(ACME, count);
    caught_up(&nats, log, ACME).await;
    nats.stop().await;
}

/// Publishes what there is, and stops.
async fn publish_on(server: &Server, log: &Arc<Log>) {
    publish(server, log, 0).await;
}

/// A message by somebody else into the tenant's stream.
async fn intrude(client: &Context, id: Option<&str>) {
    let mut headers = HeaderMap::new();
    if let Some(id) = id {
        headers.insert("Nats-Msg-Id", id);
    }
    let sent = client.publish_with_headers("holdfast.acme.other.Thing", headers, Bytes::from_static(b"?")).await;
    sent.expect("it is sent").await.expect("it is taken");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_goes_on_behind_the_stream_whatever_the_saved_cursor_says() {
    let (server, log) = (forgetful().await, Log::new());
    publish(&server, &log, 20).await;
    for saved in [Some(3), None, Some(24), Some(0)] {
        log.puts(ACME, 5);
        log.set_saved(ACME, saved.map(|position| log.cursor(ACME, position)));
        publish_on(&server, &log).await;
        assert_eq!(ids(&server.client().await, STREAM).await, log.ids(ACME), "saved: {saved:?}");
        assert_eq!(log.saved_cursor(ACME), Some(log.cursor(ACME, log.head(ACME).0 - 1)));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_that_aged_out_goes_on_behind_the_saved_cursor() {
    let (server, log) = (Server::start("").await, Log::new());
    log.puts(ACME, 10);
    let aging = || Options { max_age: Duration::from_secs(1), ..options(&server) };
    let nats = start(aging(), &log);
    caught_up(&nats, &log, ACME).await;
    nats.stop().await;

    let client = server.client().await;
    let empty = async || client.get_stream(STREAM).await.is_ok_and(|it| it.cached_info().state.messages == 0);
    while !empty().await {
        sleep(Duration::from_millis(50)).await;
    }
    log.puts(ACME, 5);
    let nats = start(aging(), &log);
    caught_up(&nats, &log, ACME).await;
    let stream = client.get_stream(STREAM).await.expect("the stream is there");
    assert_eq!(stream.cached_info().state.last_sequence, 15, "five more, and none again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_publisher_in_between_costs_nothing() {
    let (server, log) = (forgetful().await, Log::new());
    let nats = start(options(&server), &log);
    log.puts(ACME, 10);
    caught_up(&nats, &log, ACME).await;
    let client = server.client().await;
    // Some look like ours: of another tenant, of a place that the log does not have, of an epoch that it does not know.
    for id in [None, Some("72:1:4"), Some("71:1:x"), Some("71:9:2"), Some("71:1:100000"), Some("hello")] {
        intrude(&client, id).await;
        log.puts(ACME, 5);
        caught_up(&nats, &log, ACME).await;
    }
    log.puts(ACME, 500);
    for number in 0..20 {
        intrude(&client, Some(&format!("while-running-{number}"))).await;
    }
    caught_up(&nats, &log, ACME).await;
    nats.stop().await;
    for _ in 0..3 {
        intrude(&client, None).await;
    }
    publish(&server, &log, 5).await;

    let found = ids(&client, STREAM).await;
    assert_eq!(found.len(), log.ids(ACME).len() + 29);
    let known = log.ids(ACME);
    let ours: Vec<String> = found.into_iter().filter(|id| known.contains(id)).collect();
    assert_eq!(ours, known);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_that_is_deleted_is_made_again_and_nothing_comes_twice() {
    let (server, log) = (Server::start("").await, Log::new());
    let nats = start(options(&server), &log);
    log.puts(ACME, 10);
    caught_up(&nats, &log, ACME).await;
    let client = server.client().await;
    client.delete_stream(STREAM).await.expect("the stream is deleted");
    log.puts(ACME, 4);
    caught_up(&nats, &log, ACME).await;
    assert_eq!(ids(&client, STREAM).await, log.ids(ACME)[10..]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_that_an_operator_deleted_are_not_a_riddle() {
    let (server, log) = (Server::start("").await, Log::new());
    publish(&server, &log, 10).await;
    let client = server.client().await;
    let stream = client.get_stream(STREAM).await.expect("the stream is there");
    for sequence in [5, 9] {
        stream.delete_message(sequence).await.expect("it is deleted");
    }
    publish(&server, &log, 5).await;
    let all = log.ids(ACME);
    let kept = |ids: &[String]| ids.iter().filter(|id| !["71:1:4", "71:1:8"].contains(&id.as_str())).cloned().collect();
    let expected: Vec<String> = kept(&all);
    assert_eq!(ids(&client, STREAM).await, expected);

    // The last one: what the stream's end was is only believed after asking again, and then the event before it counts. The
    // server still knows the deleted event for a while, and does not take it twice.
    stream.delete_message(15).await.expect("it is deleted");
    publish(&server, &log, 1).await;
    let found = ids(&client, STREAM).await;
    assert_eq!(found.last(), log.ids(ACME).last());
    assert_eq!(found.len(), expected.len());

    // Everything at once, while nothing runs.
    stream.purge().await.expect("the stream is emptied");
    publish(&server, &log, 2).await;
    assert_eq!(ids(&client, STREAM).await, log.ids(ACME)[16..]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_with_other_subjects_is_left_alone_and_said() {
    let (server, log) = (Server::start("").await, Log::new());
    let client = server.client().await;
    let others = Config { name: STREAM.to_owned(), subjects: vec!["theirs.>".to_owned()], ..Config::default() };
    client.create_stream(others).await.expect("somebody's stream");
    log.puts(ACME, 3);
    let nats = start(options(&server), &log);
    complains(&nats, ACME, "the stream HOLDFAST_acme exists with the subjects").await;
    assert_eq!(ids(&client, STREAM).await.len(), 0);

    client.delete_stream(STREAM).await.expect("the stream is deleted");
    caught_up(&nats, &log, ACME).await;
    assert_eq!(ids(&client, STREAM).await, log.ids(ACME));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_that_was_reopened_goes_on_behind_what_both_know() {
    let (server, log) = (forgetful().await, Log::new());
    publish(&server, &log, 20).await;
    let mut expected = log.ids(ACME);

    // A tail was lost: records 15 to 19 come again, of a later epoch, and the first of them says so.
    log.reopen(ACME, 15, 2);
    publish(&server, &log, 8).await;
    expected.extend_from_slice(&log.ids(ACME)[15..]);
    let client = server.client().await;
    assert_eq!(ids(&client, STREAM).await, expected);

    // Lost again, further back than where the second epoch began.
    log.reopen(ACME, 10, 3);
    publish(&server, &log, 3).await;
    expected.extend_from_slice(&log.ids(ACME)[10..]);
    assert_eq!(ids(&client, STREAM).await, expected);

    // Twice without a word in between.
    log.reopen(ACME, 12, 4);
    log.reopen(ACME, 11, 5);
    publish(&server, &log, 3).await;
    expected.extend_from_slice(&log.ids(ACME)[11..]);
    assert_eq!(ids(&client, STREAM).await, expected);

    let mut once = expected.clone();
    once.sort();
    once.dedup();
    assert_eq!(once.len(), expected.len(), "no position twice in one epoch");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restored_log_that_knows_less_than_the_stream_goes_on_behind_the_last_event_it_knows() {
    let (server, log) = (forgetful().await, Log::new());
    publish(&server, &log, 20).await;
    log.reopen(ACME, 20, 7);
    publish(&server, &log, 5).await;
    let mut expected = log.ids(ACME);

    // From a backup that was made before epoch 7, by a machine that never heard of it.
    log.reopen(ACME, 18, 6);
    log.set_saved(ACME, Some(log.cursor(ACME, 9)));
    publish(&server, &log, 2).await;
    expected.extend_from_slice(&log.ids(ACME)[18..]);
    assert_eq!(ids(&server.client().await, STREAM).await, expected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tail_that_was_lost_and_comes_late_does_not_repeat_what_came_instead() {
    let (server, log) = (forgetful().await, Log::new());
    publish(&server, &log, 20).await;
    log.reopen(ACME, 20, 2);
    publish(&server, &log, 10).await;
    let client = server.client().await;
    let mut expected = log.ids(ACME);
    // By a process that did not hear of the second epoch.
    intrude(&client, Some("71:1:20")).await;
    expected.push("71:1:20".to_owned());
    publish(&server, &log, 5).await;
    expected.extend_from_slice(&log.ids(ACME)[31..]);
    assert_eq!(ids(&client, STREAM).await, expected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_only_a_lost_tail_is_left_of_a_stream_it_still_tells_how_far_it_had_come() {
    let (server, log) = (forgetful().await, Log::new());
    publish(&server, &log, 20).await;
    let client = server.client().await;
    let stream = client.get_stream(STREAM).await.expect("the stream is there");
    stream.purge().keep(2).await.expect("all but two are gone");
    log.reopen(ACME, 15, 2);
    log.set_saved(ACME, Some(log.cursor(ACME, 3)));
    publish(&server, &log, 3).await;
    let mut expected = vec!["71:1:18".to_owned(), "71:1:19".to_owned()];
    expected.extend_from_slice(&log.ids(ACME)[15..]);
    assert_eq!(ids(&client, STREAM).await, expected);
}
