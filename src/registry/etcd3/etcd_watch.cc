// SPDX-License-Identifier: Apache-2.0
// A watch from request to end:
//
//   asked ──created──▶ running ──changes, progress──▶ running
//     │ └─created, the node is behind `from`──▶ running, while the cluster's revision is looked up
//     │         (a lagging node is no harm; a cluster that is behind has lost our history)
//     └──no answer in 10 s, no word for long, cancelled, compacted, stream ended──▶ over: the
//        listener hears why
#include "registry/etcd3/etcd_watch.h"

#include <memory>
#include <utility>

#include "registry/etcd3/calls.h"
#include "registry/etcd3/watch_reader.h"

namespace flannel {
namespace {

namespace pb = etcdserverpb;

// Every call of the listener is the last thing a member does: it may drop the watch.
class EtcdWatch final : public Subscription {
 public:
  EtcdWatch(EtcdConnection& connection, Loop& loop, const StoreKeys& keys, Revision from,
            std::uint64_t cluster, Duration longest_silence, WatchListener listener)
      : connection_(connection),
        loop_(loop),
        longest_silence_(longest_silence),
        keys_(keys),
        from_(from),
        reader_(keys, from, cluster),
        listener_(std::move(listener)) {
    expect_word(kStreamDeadline, "no answer to the request");
    stream_ = connection_.open_stream(
        "/etcdserverpb.Watch/Watch",
        {.on_message = [this](const grpc::ByteBuffer& bytes) { on_message(bytes); },
         .on_end = [this](Error error) { end(std::move(error)); }});
    stream_->send(to_bytes(reader_.request()));
  }

 private:
  void expect_word(Duration within, const char* missing) {
    silence_ = loop_.at(loop_.now() + within, [this, missing] {
      stream_->give_up();
      end({ErrorKind::unavailable, missing});
    });
  }

  void on_message(const grpc::ByteBuffer& bytes) {
    pb::WatchResponse response;
    if (auto parsed = parse_bytes(bytes, response); !parsed) return end(parsed.error());
    expect_word(longest_silence_, "etcd says nothing of the watch any more");
    WatchNews news = reader_.read(response);
    if (const auto* created = std::get_if<WatchCreated>(&news)) {
      if (created->revision < from_) look_up_revision();
    } else if (auto* changes = std::get_if<WatchChanges>(&news)) {
      const auto on_changes = listener_.on_changes;
      on_changes(changes->changes, changes->revision);
    } else if (std::holds_alternative<WatchPositionLost>(news)) {
      lose_position();
    } else if (auto* cancelled = std::get_if<WatchCancelled>(&news)) {
      connection_.count_cancelled_watch();
      end(std::move(cancelled->error));
    }
  }

  void look_up_revision() {
    pb::RangeRequest request;
    request.set_key(keys_.config);
    request.set_count_only(true);
    etcd_range(connection_, request, kCallDeadline,
               [this, watching = std::weak_ptr(watching_)](const Result<pb::RangeResponse>& got) {
                 if (watching.expired()) return;
                 // Unanswered, the watch might begin in a future that never comes.
                 if (!got) return end(got.error());
                 if (got->header().revision() < from_) lose_position();
               });
  }

  void lose_position() {
    stop();
    const auto on_position_lost = listener_.on_position_lost;
    on_position_lost();
  }

  void end(Error error) {
    stop();
    const auto on_disconnected = listener_.on_disconnected;
    on_disconnected(std::move(error).during("watch etcd"));
  }

  void stop() {
    silence_.reset();
    stream_.reset();  // etcd leaves the stream of a cancelled watch open
    watching_.reset();
  }

  EtcdConnection& connection_;
  Loop& loop_;
  Duration longest_silence_;
  StoreKeys keys_;
  Revision from_;
  WatchReader reader_;
  WatchListener listener_;
  SubscriptionPtr silence_;
  std::unique_ptr<EtcdStream> stream_;
  std::shared_ptr<int> watching_ = std::make_shared<int>(0);
};

}  // namespace

WatchHandle start_etcd_watch(EtcdConnection& connection, Loop& loop, const StoreKeys& keys,
                             Revision from, std::uint64_t cluster, WatchListener listener,
                             Duration longest_silence) {
  return std::make_unique<EtcdWatch>(connection, loop, keys, from, cluster, longest_silence,
                                     std::move(listener));
}

}  // namespace flannel
