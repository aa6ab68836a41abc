// SPDX-License-Identifier: Apache-2.0
// The calls of etcd with their types. All run on the loop thread. Each `done` is called in a later
// turn, unless the connection has been destroyed by then.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "base/result.h"
#include "core/registry.h"
#include "registry/etcd3/connection.h"
#include "registry/etcd3/etcdserver.pb.h"
#include "registry/etcd3/message_bytes.h"

namespace flannel {

template <typename Response>
void etcd_call(EtcdConnection& connection, const char* method,
               const google::protobuf::MessageLite& request, std::chrono::milliseconds deadline,
               std::size_t attempts, std::function<void(Result<Response>)> done) {
  connection.call(method, to_bytes(request), deadline, attempts,
                  [done = std::move(done)](const Result<grpc::ByteBuffer>& answer) {
                    if (!answer) return done(Failure(answer.error()));
                    Response response;
                    if (auto parsed = parse_bytes(*answer, response); !parsed) {
                      return done(Failure(parsed.error()));
                    }
                    done(std::move(response));
                  });
}

void etcd_txn(EtcdConnection& connection, const etcdserverpb::TxnRequest& request,
              std::chrono::milliseconds deadline, std::size_t attempts,
              std::function<void(Result<etcdserverpb::TxnResponse>)> done);

void etcd_range(EtcdConnection& connection, const etcdserverpb::RangeRequest& request,
                std::chrono::milliseconds deadline,
                std::function<void(Result<etcdserverpb::RangeResponse>)> done);

// Returns the end of the range of all keys that begin with `folder`, which is empty or ends in a
// slash.
std::string end_of_range(std::string folder);

// Returns a random lease id that practically no other process chooses.
std::int64_t new_lease_id();
// Grants a lease with the id `id` and returns the granted TTL. Since the caller chooses the id, it
// knows the lease even if the answer is lost: after ErrorKind::unavailable the lease may exist.
void grant_lease(EtcdConnection& connection, std::int64_t id, std::chrono::seconds ttl,
                 std::function<void(Result<std::chrono::seconds>)> done);
// Revokes a lease without waiting for the answer. If the call is lost the lease expires by itself.
void revoke_lease(EtcdConnection& connection, std::int64_t id);

// One change on the condition that the key was last changed at the revision `seen` (0: the key does
// not exist) and has the value `seen_value`.
struct EtcdCommit {
  enum class Op { put, remove, check };
  Op op = Op::put;
  std::string key;  // in full
  Revision seen = 0;
  std::optional<std::string> seen_value = {};  // nullopt: any value
  std::string value = {};                      // of a put
  std::int64_t lease = 0;                      // of a put; 0: none
};
// Sends a commit and returns the revision at which it is in effect. ErrorKind::conflict: the
// condition is not met. If an answer is lost, the same commit is sent again: because of the
// condition it cannot take effect twice, and the current record shows whether the first commit took
// effect. ErrorKind::unavailable: the commit may have taken effect.
void etcd_commit(EtcdConnection& connection, EtcdCommit commit,
                 std::function<void(Result<Revision>)> done);

}  // namespace flannel
