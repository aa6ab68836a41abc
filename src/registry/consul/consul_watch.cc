// SPDX-License-Identifier: Apache-2.0
// A watch is a sequence of blocking queries:
//
//   query ──list with all keys of the list before──▶ changes, query from its index
//     ├──list without some of them, or with a lower index──▶ list of the leader, with proof
//     │                                                       ├──▶ changes, query from its index
//     │                                                       └──written in the past: position lost
//     └ no answer, or an error: disconnected
//
// Consul answers when its index is higher than the one in the query, or after the wait. The index
// of a list falls in normal operation, because Consul forgets deleted keys after 15 minutes, and
// after a restore. Keys that the token may no longer read are missing in a list, and so are keys
// that an old leader does not have.
#include "registry/consul/consul_watch.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "base/backoff.h"
#include "registry/consul/consul_list.h"
#include "registry/list_changes.h"

namespace flannel {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// The time after which Consul answers a query without a change. A restored store is noticed after
// this time at the latest. Each answer is a whole list, so longer lists have a longer time.
constexpr seconds kShortestWait{60};
constexpr seconds kLongestWait{300};
constexpr std::size_t kRecordsOfShortestWait = 200;
// The pause between two queries. Each change sends the whole list to every host; changes within a
// pause share one list.
constexpr milliseconds kShortestPause{100};
constexpr std::size_t kBytesPerMillisecond = 1000;
// The longest pause after answers that came early without a change. A proxy that does not know
// blocking queries sends such answers.
constexpr milliseconds kLongestPause{10'000};

seconds wait_for(const Snapshot& list) {
  const auto share = kShortestWait * static_cast<std::int64_t>(list.records.size()) /
                     static_cast<std::int64_t>(kRecordsOfShortestWait);
  return std::clamp(share, kShortestWait, kLongestWait);
}

// Every member calls the listener as its last action, because the listener may destroy the watch.
class ConsulWatch final : public Subscription {
 public:
  ConsulWatch(ConsulClient& client, Loop& loop, const StoreKeys& keys, Snapshot from,
              std::function<void(const Snapshot&)> on_list, WatchListener listener)
      : client_(client),
        loop_(loop),
        keys_(keys),
        list_(std::move(from)),
        index_(list_.revision),
        on_list_(std::move(on_list)),
        listener_(std::move(listener)) {
    ask();
  }

 private:
  void ask() {
    const seconds wait = wait_for(list_);
    HttpCall call =
        client_.prepared("GET",
                         kv_list_path(keys_.prefix) + "&index=" + std::to_string(index_) +
                             "&wait=" + std::to_string(wait.count()) + "s",
                         {});
    const EndpointCalls::Prepared prepared = client_.calls().prepare(call);
    if (!connection_ || prepared.access.target.url != url_ || prepared.secret != secret_) {
      connection_ = std::make_unique<HttpConnection>(prepared.access, true, loop_);
    }
    url_ = prepared.access.target.url;
    secret_ = prepared.secret;
    asked_at_ = loop_.now();
    // Consul adds up to a sixteenth of the wait.
    timer_ = loop_.at(asked_at_ + wait + wait / 16 + seconds(5), [this] {
      silent_ = true;
      connection_->cut({ErrorKind::unavailable, url_ + ": no answer in time"});
    });
    connection_->send(std::move(call),
                      {.on_head = {}, .on_end = [this](HttpEnd end) { on_end(std::move(end)); }});
  }

  void on_end(HttpEnd end) {
    timer_.reset();
    if (!end.body) return disconnect(end.body.error());
    const std::size_t bytes = end.body->size();
    const auto answer = read_consul_answer(end.head, *std::move(end.body));
    if (!answer) return disconnect(answer.error());
    auto next = snapshot_of(*answer, keys_);
    if (!next) return disconnect(next.error());
    const bool useless = next->revision <= index_ && loop_.now() < asked_at_ + wait_for(list_);
    if (!useless) useless_.reset();
    const Duration pause = useless ? useless_.next() : kShortestPause;
    next_ask_ =
        std::max(asked_at_ + pause, loop_.now() + milliseconds(bytes / kBytesPerMillisecond));
    if (next->revision >= index_ && !changes_between(list_, *next).lost_something()) {
      return take(*std::move(next));
    }
    confirming_ = std::make_shared<int>(0);
    take_consul_list(client_, keys_, list_,
                     [this, open = std::weak_ptr<int>(confirming_)](Result<Snapshot> confirmed) {
                       if (open.expired()) return;
                       if (!confirmed) return disconnect(confirmed.error());
                       take(*std::move(confirmed));
                     });
  }

  // The position that the listener gets never falls, although the index may.
  void take(Snapshot next) {
    index_ = std::max<Revision>(next.revision, 1);
    next.revision = std::max(next.revision, list_.revision);
    ListChanges found = changes_between(list_, next);
    if (found.from_the_past) return lose_position();
    list_ = std::move(next);
    on_list_(list_);
    ask_later();
    const auto on_changes = listener_.on_changes;
    on_changes(found.changes, list_.revision);
  }

  void ask_later() {
    if (loop_.now() >= next_ask_) return ask();
    timer_ = loop_.at(next_ask_, [this] { ask(); });
  }

  void lose_position() {
    stop();
    const auto on_position_lost = listener_.on_position_lost;
    on_position_lost();
  }

  void disconnect(Error error) {
    const bool silent = silent_;
    stop();
    client_.calls().count_failure(error, silent);
    if (error.kind == ErrorKind::unavailable) client_.calls().move_on(url_);
    const auto on_disconnected = listener_.on_disconnected;
    on_disconnected(std::move(error).during("watch " + keys_.prefix));
  }

  void stop() {
    timer_.reset();
    confirming_.reset();
    connection_.reset();
  }

  ConsulClient& client_;
  Loop& loop_;
  const StoreKeys keys_;
  Snapshot list_;   // the last one, with the position of the watch as its revision
  Revision index_;  // of the next query
  const std::function<void(const Snapshot&)> on_list_;
  WatchListener listener_;
  std::string url_, secret_;  // of the connection
  TimePoint asked_at_, next_ask_;
  Backoff useless_{2 * kShortestPause, kLongestPause};  // the pauses after useless answers
  bool silent_ = false;                                 // ended because no answer came
  SubscriptionPtr timer_;
  std::shared_ptr<int> confirming_;  // set while a list of the leader is awaited
  std::unique_ptr<HttpConnection> connection_;
};

}  // namespace

WatchHandle start_consul_watch(ConsulClient& client, Loop& loop, const StoreKeys& keys,
                               Snapshot from, std::function<void(const Snapshot&)> on_list,
                               WatchListener listener) {
  return std::make_unique<ConsulWatch>(client, loop, keys, std::move(from), std::move(on_list),
                                       std::move(listener));
}

}  // namespace flannel
