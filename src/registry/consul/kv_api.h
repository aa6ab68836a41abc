// SPDX-License-Identifier: Apache-2.0
// Encodes and decodes the bodies of Consul's HTTP API: /v1/kv, /v1/txn, /v1/session, /v1/catalog,
// /v1/agent.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace flannel {

// A key in the store. Its indexes are those of Raft, which grow with every write to the cluster.
struct KvEntry {
  std::string key = {};  // "coreos.com/network/config": no slash in front
  std::string value = {};
  std::int64_t created = 0;   // CreateIndex
  std::int64_t modified = 0;  // ModifyIndex
  std::string session = {};   // the id of the session that holds the key; empty: none

  bool operator==(const KvEntry&) const = default;
};

// Decodes the list of a prefix. The result is sorted by key.
Result<std::vector<KvEntry>> decode_kv_list(std::string_view json);

// Returns the path of a list: "/v1/kv/coreos.com/network/?recurse". `prefix` has no slash at its
// ends.
std::string kv_list_path(std::string_view prefix);

// Returns the path of the keys alone below a prefix: "/v1/kv/coreos.com/network/?keys".
std::string kv_keys_path(std::string_view prefix);
// Decodes that list.
Result<std::vector<std::string>> decode_kv_keys(std::string_view json);

// One operation of a transaction. Its verb determines which members are used:
// cas: key, value, index (0: the key is absent); delete-cas, check-index: key, index;
// lock: key, value, session; unlock: key, value, session; get: key.
struct KvOperation {
  enum class Verb { get, cas, delete_cas, check_index, lock, unlock };
  Verb verb;
  std::string key;
  std::string value = {};
  std::int64_t index = 0;
  std::string session = {};
};

// Returns the body of PUT /v1/txn.
std::string encode_transaction(const std::vector<KvOperation>& operations);

// The answer to a transaction: either all operations were done, or none.
struct KvTransaction {
  std::vector<KvEntry> entries;      // one for each operation but delete-cas, in order
  std::vector<std::string> why_not;  // not empty: nothing was done
  bool denied = false;               // the token has no right to one of the keys
};
Result<KvTransaction> decode_transaction(std::string_view json);

// Returns the body of PUT /v1/session/create. The session belongs to `node` of the catalog, has no
// health checks and no lock delay, and Consul deletes its keys when it ends.
std::string encode_session(std::string_view name, std::string_view node, std::chrono::seconds ttl);
Result<std::string> decode_session_id(std::string_view json);
// Decodes the TTL in the answer to PUT /v1/session/renew/ID.
Result<std::chrono::seconds> decode_session_ttl(std::string_view json);

// Decodes a list of sessions: the TTL of each by its id. Sessions of other programs that have none,
// or one in other units than seconds, are left out.
Result<std::map<std::string, std::chrono::seconds>> decode_session_ttls(std::string_view json);

// Returns the body of PUT /v1/catalog/register for a node without an agent.
std::string encode_node(std::string_view node);

// Returns the body of PUT /v1/agent/service/register for the service "flanneld", whose health the
// agent checks every ten seconds by an HTTP request.
std::string encode_service(std::string_view id, std::uint16_t port, std::string_view check_url);

}  // namespace flannel
