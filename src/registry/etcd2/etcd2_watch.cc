// SPDX-License-Identifier: Apache-2.0
// A watch, poll after poll:
//
//   asked ──head──▶ waiting ──event──▶ asked, from behind the event
//     │               └──a minute without one──▶ asked, from where the store was at the head
//     ├──no head in 2 s──▶ another question to the same endpoint
//     │                     ├──answered──▶ the same wait for an event, but none moves the position
//     │                     └──no answer in 3 s: disconnected
//     ├ broken: disconnected
//     └ index cleared, store behind us or another one, a directory gone: position lost
//
// etcd sends the head of its answer at once, with the index of the store at that moment. By then it
// has searched its history, so a poll without an event means that there was none up to that index.
// "etcd --proxy" and others send no head before the event: a poll without an answer may be quiet or
// its server frozen, and only another call can show which. The limit of a minute is for a server
// that has stopped answering.
#include "registry/etcd2/etcd2_watch.h"

#include <utility>

#include "registry/etcd2/keys_api.h"
#include "registry/etcd2/keys_events.h"

namespace flannel {
namespace {

constexpr std::chrono::seconds kLongestPoll{60};
constexpr std::chrono::seconds kHeadExpected{2};

HttpAccess access_of(KeysClient& client) {
  HttpCall any;
  return client.calls().prepare(any).access;
}

// Every member calls the listener as its last action, because the listener may destroy the watch.
class Etcd2Watch final : public Subscription {
 public:
  Etcd2Watch(KeysClient& client, Loop& loop, const StoreKeys& keys, KeysPosition position,
             WatchListener listener)
      : client_(client),
        loop_(loop),
        keys_(keys),
        position_(std::move(position)),
        listener_(std::move(listener)),
        access_(access_of(client)),
        connection_(std::make_unique<HttpConnection>(access_, true, loop)) {
    poll();
  }

 private:
  void poll() {
    head_ = {};
    head_seen_ = idle_ = silent_ = false;
    asking_.reset();
    timer_ = loop_.at(loop_.now() + kHeadExpected, [this] { ask_beside(); });
    connection_->send({.method = "GET",
                       .path = keys_path(keys_.prefix) + "?wait=true&recursive=true&waitIndex=" +
                               std::to_string(position_.from + 1),
                       .body = {},
                       .content_type = {}},
                      {.on_head = [this](const HttpHead& head) { on_head(head); },
                       .on_end = [this](HttpEnd end) { on_end(std::move(end)); }});
  }

  void ask_beside() {
    timer_ = loop_.at(loop_.now() + kKeysDeadline - kHeadExpected, [this] {
      silent_ = true;
      connection_->cut({ErrorKind::unavailable, access_.target.url + ": no answer in time"});
    });
    asking_ = std::make_unique<HttpConnection>(access_, false, loop_);
    asking_->send({.method = "GET",
                   .path = keys_path(keys_.config) + "?quorum=true",
                   .body = {},
                   .content_type = {}},
                  {.on_head = [this](const HttpHead& head) { on_answer_beside(head); },
                   .on_end = [](const HttpEnd&) {}});
  }

  // Any answer of etcd needs a leader, so it shows that the server of the poll works.
  void on_answer_beside(const HttpHead& head) {
    if (head.status < 200 || head.status >= 500)
      return;  // an answer of a proxy; the deadline continues
    const KeysReply reply = head_of_reply(head);
    if (reply.index != 0 && is_elsewhere(reply)) return lose_position();
    wait_for_event();
  }

  void on_head(const HttpHead& head) {
    asking_.reset();
    Result<KeysReply> reply = read_keys_reply(head, {});
    if (head.status != 200 || !reply) return;  // the body has the reason
    head_ = *std::move(reply);
    head_seen_ = true;
    if (is_elsewhere(head_)) return lose_position();
    wait_for_event();
  }

  bool is_elsewhere(const KeysReply& reply) const {
    const bool other = !position_.cluster.empty() && reply.cluster != position_.cluster;
    return other || reply.index < position_.from;
  }

  void wait_for_event() {
    timer_ = loop_.at(loop_.now() + kLongestPoll, [this] {
      idle_ = true;
      connection_->cut({ErrorKind::unavailable, access_.target.url + ": no event"});
    });
  }

  void on_end(HttpEnd end) {
    timer_.reset();
    asking_.reset();
    if (!end.body && idle_) return nothing_happened();
    if (!end.body) return disconnect(end.body.error());
    const Result<KeysReply> reply = read_keys_reply(end.head, *std::move(end.body));
    if (!reply) return disconnect(reply.error());
    if (reply->error == keys_error::kIndexCleared) return lose_position();
    if (reply->error != 0) return disconnect({ErrorKind::unavailable, reply->error_text});
    on_event(decode_keys_answer(reply->body));
  }

  void nothing_happened() {
    if (head_seen_) position_.from = head_.index;
    poll();
    const auto on_changes = listener_.on_changes;
    on_changes({}, position_.from);
  }

  void on_event(const Result<KeysAnswer>& event) {
    if (!event) return disconnect(event.error());
    const Revision at = event->node.modified;
    if (at <= position_.from) {
      return disconnect({ErrorKind::invalid, "etcd sent an event from before the one asked for"});
    }
    const auto changes = changes_of(*event, keys_);
    if (!changes) return lose_position();
    position_.from = at;
    poll();
    const auto on_changes = listener_.on_changes;
    on_changes(*changes, at);
  }

  void lose_position() {
    stop();
    const auto on_position_lost = listener_.on_position_lost;
    on_position_lost();
  }

  void disconnect(Error error) {
    stop();
    client_.calls().count_failure(error, silent_);
    if (error.kind == ErrorKind::unavailable) client_.calls().move_on(access_.target.url);
    const auto on_disconnected = listener_.on_disconnected;
    on_disconnected(std::move(error).during("watch " + keys_.prefix));
  }

  void stop() {
    timer_.reset();
    asking_.reset();
    connection_.reset();
  }

  KeysClient& client_;
  Loop& loop_;
  const StoreKeys keys_;
  KeysPosition position_;
  WatchListener listener_;
  const HttpAccess access_;
  KeysReply head_;  // of the poll under way
  bool head_seen_ = false;
  bool silent_ = false;  // ended because neither the poll nor another call was answered
  bool idle_ = false;    // ended because there was no event for long
  SubscriptionPtr timer_;
  std::unique_ptr<HttpConnection> connection_;
  std::unique_ptr<HttpConnection> asking_;  // checks the server while the poll has no head
};

}  // namespace

WatchHandle start_etcd2_watch(KeysClient& client, Loop& loop, const StoreKeys& keys,
                              KeysPosition position, WatchListener listener) {
  return std::make_unique<Etcd2Watch>(client, loop, keys, std::move(position), std::move(listener));
}

}  // namespace flannel
