// SPDX-License-Identifier: Apache-2.0
// A watch from request to end:
//
//   asked ──created──▶ running ──changes, progress──▶ running
//     │ └─created, the node is behind `from`──▶ running, while the cluster's revision is looked up
//     │         (a lagging node is no harm; a cluster that is behind has lost our history)
//     └──no answer in 10 s, no word for long, cancelled, compacted, stream ended──▶ over: the
//        listener gets the reason
#include "registry/etcd3/etcd_watch.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "base/life_token.h"
#include "loop/timer.h"
#include "registry/etcd3/calls.h"
#include "registry/etcd3/rights.h"
#include "registry/etcd3/watch_reader.h"

namespace flannel {
namespace {

namespace pb = etcdserverpb;

// Every member calls the listener as its last action, because the listener may destroy the watch.
class EtcdWatch final : public Subscription {
 public:
  EtcdWatch(const EtcdWatchSettings& settings, WatchRange range, WatchListener listener)
      : connection_(settings.connection),
        loop_(settings.loop),
        longest_silence_(settings.longest_silence),
        keys_(settings.keys),
        range_(range),
        from_(settings.from),
        reader_(settings.keys, range, settings.from, settings.cluster),
        listener_(std::move(listener)) {
    expect_word(kStreamDeadline, "no answer to the request");
    stream_ = connection_.open_stream(
        kWatchMethod, {.on_message = [this](const grpc::ByteBuffer& bytes) { on_message(bytes); },
                       .on_end = [this](Error error) { end(std::move(error)); }});
    stream_->send(to_bytes(reader_.request()));
  }

 private:
  void expect_word(Duration within, const char* missing) {
    missing_word_ = missing;
    silence_.arm_after(within);
  }

  void on_silence() {
    stream_->give_up();
    end({ErrorKind::unavailable, missing_word_});
  }

  void on_message(const grpc::ByteBuffer& bytes) {
    pb::WatchResponse response;
    if (auto parsed = parse_bytes(bytes, response); !parsed) return end(parsed.error());
    expect_word(longest_silence_, "etcd says nothing of the watch any more");
    WatchMessage message = reader_.read(response);
    if (const auto* created = std::get_if<WatchCreated>(&message)) {
      if (created->revision < from_) look_up_revision();
    } else if (auto* changes = std::get_if<WatchChanges>(&message)) {
      const auto on_changes = listener_.on_changes;
      on_changes(changes->changes, changes->revision);
    } else if (std::holds_alternative<WatchPositionLost>(message)) {
      lose_position();
    } else if (auto* cancelled = std::get_if<WatchCancelled>(&message)) {
      connection_.count_cancelled_watch();
      end(std::move(cancelled->error));
    }
  }

  void look_up_revision() {
    pb::RangeRequest request;
    request.set_key(keys_.config);
    request.set_count_only(true);
    etcd_range(connection_, request, kCallDeadline,
               life_.guard([this](const Result<pb::RangeResponse>& got) {
                 // Without an answer the watch might begin at a revision that never comes.
                 if (!got) return end(got.error());
                 if (got->header().revision() < from_) lose_position();
               }));
  }

  void lose_position() {
    stop();
    const auto on_position_lost = listener_.on_position_lost;
    on_position_lost();
  }

  void end(Error error) {
    stop();
    const auto on_disconnected = listener_.on_disconnected;
    const EtcdRight right =
        range_ == WatchRange::config ? read_of(keys_.config) : read_of_all_below(keys_.subnets);
    on_disconnected(naming_right(std::move(error), right).during("watch etcd"));
  }

  void stop() {
    silence_.cancel();
    stream_.reset();  // etcd leaves the stream of a cancelled watch open
    life_.end();
  }

  EtcdConnection& connection_;
  Loop& loop_;
  Duration longest_silence_;
  StoreKeys keys_;
  WatchRange range_;
  Revision from_;
  WatchReader reader_;
  WatchListener listener_;
  const char* missing_word_ = "";
  Timer silence_{loop_, [this] { on_silence(); }};
  std::unique_ptr<EtcdStream> stream_;
  LifeToken life_;
};

// Watches the configuration and the records separately, for a role without the right to read the
// keys between them.
class SplitWatch final : public Subscription {
 public:
  SplitWatch(const EtcdWatchSettings& settings, WatchListener listener)
      : config_at_(settings.from), subnets_at_(settings.from), listener_(std::move(listener)) {
    config_ = std::make_unique<EtcdWatch>(settings, WatchRange::config, part(config_at_));
    subnets_ = std::make_unique<EtcdWatch>(settings, WatchRange::subnets, part(subnets_at_));
  }

 private:
  WatchListener part(Revision& at) {
    return {.on_changes =
                [this, &at](const std::vector<Change>& changes, Revision revision) {
                  at = revision;
                  const auto on_changes = listener_.on_changes;
                  on_changes(changes, std::min(config_at_, subnets_at_));
                },
            .on_position_lost =
                [this] {
                  config_.reset();
                  subnets_.reset();
                  const auto on_position_lost = listener_.on_position_lost;
                  on_position_lost();
                },
            .on_disconnected =
                [this](Error error) {
                  config_.reset();
                  subnets_.reset();
                  const auto on_disconnected = listener_.on_disconnected;
                  on_disconnected(std::move(error));
                }};
  }

  Revision config_at_, subnets_at_;
  WatchListener listener_;
  WatchHandle config_, subnets_;
};

// Watches everything at once, or, if that is denied, in two watches.
class FittingWatch final : public Subscription {
 public:
  FittingWatch(EtcdWatchSettings settings, WatchListener listener)
      : settings_(std::move(settings)), listener_(std::move(listener)) {
    if (settings_.narrow) {
      split();
    } else {
      watch_all();
    }
  }

 private:
  void watch_all() {
    WatchListener of_all = listener_;
    of_all.on_changes = [this](const std::vector<Change>& changes, Revision revision) {
      settings_.from = revision;  // the right may be revoked later
      const auto on_changes = listener_.on_changes;
      on_changes(changes, revision);
    };
    of_all.on_disconnected = [this](Error error) {
      if (error.kind == ErrorKind::denied) return split();
      const auto on_disconnected = listener_.on_disconnected;
      on_disconnected(std::move(error));
    };
    watch_ = std::make_unique<EtcdWatch>(settings_, WatchRange::all, std::move(of_all));
  }

  void split() {
    settings_.narrow = true;
    WatchListener of_parts = listener_;
    of_parts.on_disconnected = [this](Error error) {
      if (error.kind == ErrorKind::denied) settings_.narrow = false;
      const auto on_disconnected = listener_.on_disconnected;
      on_disconnected(std::move(error));
    };
    watch_ = std::make_unique<SplitWatch>(settings_, std::move(of_parts));
  }

  EtcdWatchSettings settings_;
  WatchListener listener_;
  WatchHandle watch_;
};

}  // namespace

WatchHandle start_etcd_watch(EtcdWatchSettings settings, WatchListener listener) {
  return std::make_unique<FittingWatch>(std::move(settings), std::move(listener));
}

}  // namespace flannel
