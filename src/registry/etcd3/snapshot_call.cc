// SPDX-License-Identifier: Apache-2.0
#include "registry/etcd3/snapshot_call.h"

#include <algorithm>
#include <charconv>
#include <memory>
#include <utility>

#include "core/record_limits.h"
#include "registry/etcd3/call_error.h"
#include "registry/etcd3/calls.h"
#include "registry/etcd3/rights.h"

namespace flannel {
namespace {

namespace pb = etcdserverpb;

constexpr std::chrono::milliseconds kSnapshotDeadline{30000};
// Records, of some 270 bytes each. Only one page is there undecoded.
constexpr std::int64_t kPage = 2000;
// The pages of a list need their revision to be kept meanwhile, and a list is over within seconds.
constexpr int kBeginnings = 3;

class SnapshotCall : public std::enable_shared_from_this<SnapshotCall> {
 public:
  SnapshotCall(EtcdConnection& connection, StoreKeys keys,
               std::function<void(Result<EtcdSnapshot>)> done)
      : connection_(connection), keys_(std::move(keys)), done_(std::move(done)) {}

  void start() {
    taken_ = {};
    pb::TxnRequest request;
    request.add_success()->mutable_request_range()->set_key(keys_.config);
    *request.add_success()->mutable_request_range() = page(keys_.subnets, 0);
    etcd_txn(connection_, request, kSnapshotDeadline, connection_.all_attempts(),
             [self = shared_from_this()](const Result<pb::TxnResponse>& answer) {
               self->on_first(answer);
             });
  }

 private:
  pb::RangeRequest page(const std::string& first, Revision revision) const {
    pb::RangeRequest request;
    request.set_key(first);
    request.set_range_end(end_of_range(keys_.subnets));
    request.set_limit(limit_);
    request.set_revision(revision);
    return request;
  }

  // etcd does not say which of the two ranges was denied.
  void find_missing_right(const Error& denied) {
    pb::RangeRequest request;
    request.set_key(keys_.config);
    request.set_count_only(true);
    etcd_range(connection_, request, kCallDeadline,
               [self = shared_from_this(), denied](const Result<pb::RangeResponse>& config) {
                 const bool this_one = !config && lacks_right(config.error());
                 self->done_(Failure(
                     naming_right(denied, this_one ? read_of(self->keys_.config)
                                                   : read_of_all_below(self->keys_.subnets))));
               });
  }

  void on_first(const Result<pb::TxnResponse>& answer) {
    if (!answer && lacks_right(answer.error())) return find_missing_right(answer.error());
    if (!answer && smaller_pages(answer.error())) return start();
    if (!answer) return done_(Failure(answer.error()));
    if (answer->responses_size() != 2 || !answer->responses(0).has_response_range() ||
        !answer->responses(1).has_response_range()) {
      return done_(fail(ErrorKind::unavailable, "etcd left out a part of the answer"));
    }
    taken_.cluster = answer->header().cluster_id();
    term_ = answer->header().raft_term();
    taken_.all.revision = answer->header().revision();
    const pb::RangeResponse& config = answer->responses(0).response_range();
    if (config.kvs_size() > 0) {
      taken_.all.config = ConfigRecord{config.kvs(0).value(), config.kvs(0).mod_revision()};
    }
    add(answer->responses(1).response_range());
  }

  void add(const pb::RangeResponse& range) {
    for (const pb::KeyValue& kv : range.kvs()) {
      if (keys_.below_subnets(kv.key())) taken_.all.records.push_back(to_record(keys_, kv));
    }
    if (!range.more() || range.kvs_size() == 0) return done_(std::move(taken_));
    limit_ = std::min(kPage, 2 * limit_);
    ask_page(range.kvs(range.kvs_size() - 1).key() + '\0');
  }

  void ask_page(const std::string& first) {
    etcd_range(connection_, page(first, taken_.all.revision), kSnapshotDeadline,
               [self = shared_from_this(), first](const Result<pb::RangeResponse>& answer) {
                 self->on_page(first, answer);
               });
  }

  void on_page(const std::string& first, const Result<pb::RangeResponse>& answer) {
    if (answer && is_of_same_history(answer->header())) return add(*answer);
    if (answer) return begin_again("the pages of a list are of different clusters");
    if (smaller_pages(answer.error())) return ask_page(first);
    // The revision was compacted between two pages, or the cluster went back to one before it.
    if (answer.error().kind == ErrorKind::not_found) return begin_again(answer.error().text);
    done_(fail(ErrorKind::unavailable, answer.error().text));
  }

  // The page may be another member's. A linearizable read is answered in the term of the page
  // before it or in a later one, unless the cluster was restored and has grown past our revision.
  bool is_of_same_history(const pb::ResponseHeader& header) const {
    return header.cluster_id() == taken_.cluster && header.raft_term() >= term_ &&
           header.revision() >= taken_.all.revision;
  }

  void begin_again(const std::string& why) {
    if (--beginnings_ > 0) return start();
    done_(fail(ErrorKind::unavailable, why));
  }

  // Needed if a program has stored records of the greatest length that etcd allows.
  bool smaller_pages(const Error& error) {
    if (!is_too_long(error) || limit_ == 1) return false;
    limit_ = std::max<std::int64_t>(1, limit_ / 8);
    return true;
  }

  EtcdConnection& connection_;
  StoreKeys keys_;
  std::int64_t limit_ = kPage;
  int beginnings_ = kBeginnings;
  std::uint64_t term_ = 0;  // of the cluster, when it answered first
  EtcdSnapshot taken_;
  std::function<void(Result<EtcdSnapshot>)> done_;
};

}  // namespace

void take_etcd_snapshot(EtcdConnection& connection, const StoreKeys& keys,
                        std::function<void(Result<EtcdSnapshot>)> done) {
  std::make_shared<SnapshotCall>(connection, keys, std::move(done))->start();
}

ExpiryHandle expiry_handle_of(std::int64_t lease) {
  return lease == 0 ? ExpiryHandle() : std::to_string(lease);
}

std::int64_t lease_of(const ExpiryHandle& handle) {
  std::int64_t lease = 0;
  std::from_chars(handle.data(), handle.data() + handle.size(), lease);
  return lease;
}

Record to_record(const StoreKeys& keys, const pb::KeyValue& kv) {
  return within_limits({std::string(keys.below_subnets(kv.key()).value_or("")), kv.value(),
                        kv.mod_revision(), expiry_handle_of(kv.lease()), kv.create_revision()});
}

}  // namespace flannel
