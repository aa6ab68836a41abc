// SPDX-License-Identifier: Apache-2.0
#include "registry/etcd3/calls.h"

#include <memory>
#include <random>
#include <utility>

namespace flannel {
namespace {

namespace pb = etcdserverpb;
using std::chrono::seconds;

pb::TxnRequest to_txn(const EtcdCommit& commit) {
  pb::TxnRequest request;
  pb::Compare* condition = request.add_compare();
  condition->set_target(pb::Compare::MOD);
  condition->set_key(commit.key);
  condition->set_mod_revision(commit.seen);
  if (commit.seen_value) {
    pb::Compare* same = request.add_compare();
    same->set_target(pb::Compare::VALUE);
    same->set_key(commit.key);
    same->set_value(*commit.seen_value);
  }
  if (commit.op == EtcdCommit::Op::put) {
    pb::PutRequest* put = request.add_success()->mutable_request_put();
    put->set_key(commit.key);
    put->set_value(commit.value);
    put->set_lease(commit.lease);
  } else if (commit.op == EtcdCommit::Op::remove) {
    request.add_success()->mutable_request_delete_range()->set_key(commit.key);
  }
  request.add_failure()->mutable_request_range()->set_key(commit.key);
  return request;
}

// Returns the current record after a transaction whose condition was not met; null: there is none.
const pb::KeyValue* found_instead(const pb::TxnResponse& response) {
  if (response.responses_size() != 1 || !response.responses(0).has_response_range()) return nullptr;
  const pb::RangeResponse& range = response.responses(0).response_range();
  return range.kvs_size() == 1 ? &range.kvs(0) : nullptr;
}

// True if an earlier attempt of the same commit, whose answer was lost, took effect.
bool done_before(const EtcdCommit& commit, const pb::KeyValue* there) {
  switch (commit.op) {
    case EtcdCommit::Op::put:
      return there != nullptr && there->value() == commit.value && there->lease() == commit.lease;
    case EtcdCommit::Op::remove:
      return there == nullptr;
    case EtcdCommit::Op::check:
      return false;
  }
  return false;
}

class Committing : public std::enable_shared_from_this<Committing> {
 public:
  Committing(EtcdConnection& connection, EtcdCommit commit,
             std::function<void(Result<Revision>)> done)
      : connection_(connection),
        commit_(std::move(commit)),
        attempts_(connection.all_attempts()),
        done_(std::move(done)) {}

  void send() {
    --attempts_;
    etcd_txn(connection_, to_txn(commit_), kCallDeadline, 1,
             [self = shared_from_this()](const Result<pb::TxnResponse>& answer) {
               self->on_answer(answer);
             });
  }

 private:
  void on_answer(const Result<pb::TxnResponse>& answer) {
    if (!answer) {
      if (answer.error().kind == ErrorKind::unavailable && attempts_ > 0) {
        answer_lost_ = true;
        return send();
      }
      return done_(Failure(answer.error()));
    }
    if (answer->succeeded()) {
      return done_(commit_.op == EtcdCommit::Op::check ? commit_.seen
                                                       : answer->header().revision());
    }
    const pb::KeyValue* there = found_instead(*answer);
    if (answer_lost_ && done_before(commit_, there)) {
      return done_(there == nullptr ? answer->header().revision() : there->mod_revision());
    }
    done_(fail(ErrorKind::conflict, there == nullptr ? "it is gone" : "changed since it was read"));
  }

  EtcdConnection& connection_;
  EtcdCommit commit_;
  std::size_t attempts_;
  bool answer_lost_ = false;
  std::function<void(Result<Revision>)> done_;
};

}  // namespace

void etcd_txn(EtcdConnection& connection, const pb::TxnRequest& request,
              std::chrono::milliseconds deadline, std::size_t attempts,
              std::function<void(Result<pb::TxnResponse>)> done) {
  etcd_call(connection, "/etcdserverpb.KV/Txn", request, deadline, attempts, std::move(done));
}

void etcd_range(EtcdConnection& connection, const pb::RangeRequest& request,
                std::chrono::milliseconds deadline,
                std::function<void(Result<pb::RangeResponse>)> done) {
  etcd_call(connection, "/etcdserverpb.KV/Range", request, deadline, connection.all_attempts(),
            std::move(done));
}

std::string end_of_range(std::string folder) {
  if (folder.empty()) return std::string(1, '\0');  // etcd's word for all keys
  ++folder.back();
  return folder;
}

std::int64_t new_lease_id() {
  std::random_device device;
  std::uniform_int_distribution<std::int64_t> ids(1);
  return ids(device);
}

void grant_lease(EtcdConnection& connection, std::int64_t id, seconds ttl,
                 std::function<void(Result<seconds>)> done) {
  pb::LeaseGrantRequest request;
  request.set_ttl(ttl.count());
  request.set_id(id);
  etcd_call<pb::LeaseGrantResponse>(
      connection, "/etcdserverpb.Lease/LeaseGrant", request, kCallDeadline,
      connection.all_attempts(),
      [ttl, done = std::move(done)](const Result<pb::LeaseGrantResponse>& got) {
        // No other process uses this id, so the answer to our first attempt was lost.
        if (!got && got.error().kind == ErrorKind::exists) return done(ttl);
        if (!got) return done(Failure(Error(got.error()).during("grant a lease")));
        if (!got->error().empty()) {
          return done(fail(ErrorKind::system, "grant a lease: " + got->error()));
        }
        done(seconds(got->ttl()));
      });
}

void revoke_lease(EtcdConnection& connection, std::int64_t id) {
  pb::LeaseRevokeRequest request;
  request.set_id(id);
  etcd_call<pb::LeaseRevokeResponse>(connection, "/etcdserverpb.Lease/LeaseRevoke", request,
                                     kCallDeadline, connection.all_attempts(),
                                     [](const Result<pb::LeaseRevokeResponse>&) {});
}

void etcd_commit(EtcdConnection& connection, EtcdCommit commit,
                 std::function<void(Result<Revision>)> done) {
  std::make_shared<Committing>(connection, std::move(commit), std::move(done))->send();
}

}  // namespace flannel
