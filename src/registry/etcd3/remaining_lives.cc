// SPDX-License-Identifier: Apache-2.0
#include "registry/etcd3/remaining_lives.h"

#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include "registry/etcd3/calls.h"
#include "registry/etcd3/snapshot_call.h"

namespace flannel {
namespace {

namespace pb = etcdserverpb;
using std::chrono::seconds;

constexpr int kAtOnce = 16;

class LivesCall : public std::enable_shared_from_this<LivesCall> {
 public:
  LivesCall(EtcdConnection& connection, const std::vector<Record>& records,
            Reply<RemainingLives> reply)
      : connection_(connection), reply_(std::move(reply)) {
    for (const Record& record : records) {
      if (record.expires()) keys_[lease_of(record.expiry_handle)].push_back(record.key);
    }
    next_ = keys_.begin();
  }

  void start() {
    for (int i = 0; i < kAtOnce; ++i)
      ask_next();
  }

 private:
  void ask_next() {
    if (next_ == keys_.end()) return;
    const auto& [lease, keys] = *next_++;
    ++under_way_;
    pb::LeaseTimeToLiveRequest request;
    request.set_id(lease);
    etcd_call<pb::LeaseTimeToLiveResponse>(
        connection_, "/etcdserverpb.Lease/LeaseTimeToLive", request, kCallDeadline,
        connection_.all_attempts(),
        [self = shared_from_this(), &keys](const Result<pb::LeaseTimeToLiveResponse>& got) {
          self->on_answer(keys, got);
        });
  }

  void on_answer(const std::vector<std::string>& keys,
                 const Result<pb::LeaseTimeToLiveResponse>& got) {
    --under_way_;
    if (!reply_) return;  // another call has failed
    if (!got && got.error().kind != ErrorKind::unsupported) {
      return std::exchange(reply_, nullptr)(Failure(got.error()));
    }
    if (got) {
      // -1: the lease has ended.
      const seconds left{std::max<std::int64_t>(0, got->ttl())};
      for (const std::string& key : keys) {
        lives_.left[key] = left;
        if (got->grantedttl() > 0) lives_.granted[key] = seconds(got->grantedttl());
      }
    }
    ask_next();
    if (under_way_ == 0) std::exchange(reply_, nullptr)(std::move(lives_));
  }

  EtcdConnection& connection_;
  std::map<std::int64_t, std::vector<std::string>> keys_;  // of the records of each etcd lease
  std::map<std::int64_t, std::vector<std::string>>::const_iterator next_;
  int under_way_ = 0;
  RemainingLives lives_;
  Reply<RemainingLives> reply_;
};

}  // namespace

void ask_remaining_lives(EtcdConnection& connection, const std::vector<Record>& records,
                         Reply<RemainingLives> reply) {
  std::make_shared<LivesCall>(connection, records, std::move(reply))->start();
}

}  // namespace flannel
