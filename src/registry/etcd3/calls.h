// SPDX-License-Identifier: Apache-2.0
// etcd's calls with their types. All on the loop thread; each `done` runs in a later turn, unless
// the connection is gone by then.
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

// Nobody else draws the same one.
std::int64_t new_lease_id();
// The TTL as granted. The id is the caller's, so that a grant whose answer got lost is known by its
// name: unavailable means: perhaps granted.
void grant_lease(EtcdConnection& connection, std::int64_t id, std::chrono::seconds ttl,
                 std::function<void(Result<std::chrono::seconds>)> done);
// A last kindness: nobody waits for it, and an etcd that never hears it lets the lease lapse.
void revoke_lease(EtcdConnection& connection, std::int64_t id);

// One change on condition that the key was last changed at `seen` (0: that there is no such key),
// and to that value.
struct EtcdCommit {
  enum class Op { put, remove, check };
  Op op = Op::put;
  std::string key;  // in full
  Revision seen = 0;
  std::optional<std::string> seen_value = {};  // nothing: whatever it is
  std::string value = {};                      // of a put
  std::int64_t lease = 0;                      // of a put; 0: none
};
// The revision at which it holds. ErrorKind::conflict: the condition does not. When an answer is
// lost, the same commit is sent again: the condition keeps it from being done twice, and what is
// found instead tells whether the first one was done. So unavailable means: perhaps done.
void etcd_commit(EtcdConnection& connection, EtcdCommit commit,
                 std::function<void(Result<Revision>)> done);

}  // namespace flannel
