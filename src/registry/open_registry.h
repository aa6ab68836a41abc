// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "core/registry.h"
#include "http/resolver.h"
#include "loop/loop.h"
#include "registry/password.h"
#include "registry/tls_files.h"

namespace flannel {

class ConsulService;
class StoreClock;
class StoreSessions;
struct ConsulServiceEntry;

enum class StoreKind { etcd, consul, sqlite, memory };
enum class EtcdApi { automatic, v2, v3 };

struct ConsulOptions {
  std::vector<std::string> endpoints = {"http://127.0.0.1:8500"};  // --consul-endpoints
  std::string key_file, cert_file, ca_file;  // --consul-keyfile, -certfile, -cafile
  std::string server_name;       // that Consul's certificate has; empty: the host of the endpoint
  Password token;                // --consul-token-file; never logged
  std::string datacenter;        // --consul-datacenter; empty: that of the agent
  std::string name_space;        // --consul-namespace; empty: the default one
  std::string node = "flannel";  // --consul-node

  TlsFiles tls_files() const { return {key_file, cert_file, ca_file, "--consul-"}; }
};

struct StoreOptions {
  StoreKind kind = StoreKind::etcd;
  EtcdApi etcd_api = EtcdApi::v3;              // --etcd-api
  std::string sqlite_path;                     // --store=sqlite:PATH
  std::vector<std::string> endpoints;          // --etcd-endpoints
  std::string prefix = "/coreos.com/network";  // --etcd-prefix, for every kind of store
  std::string key_file, cert_file, ca_file;    // --etcd-keyfile, -certfile, -cafile
  std::string username;                        // --etcd-username
  Password password;                           // --etcd-password, -password-file; never logged
  ConsulOptions consul;                        // --consul-*
  std::shared_ptr<Resolver> resolver;          // null: the resolver of the system
  // What the registry shares with others of the process; null: nothing.
  std::shared_ptr<StoreSessions> sessions;
};

// Opens the store. A remote store need not be reachable yet. `loop` must outlive the registry. The
// memory store lasts as long as the process, and all its registries share it.
Result<std::unique_ptr<Registry>> open_registry(const StoreOptions& options, Loop& loop);

// Registers a service with the agent that `options.consul` names
// (registry/consul/consul_service.h). `loop` must outlive the service.
Result<std::unique_ptr<ConsulService>> open_consul_service(const StoreOptions& options,
                                                           ConsulServiceEntry entry, Loop& loop);

// The clock of the store's host. ErrorKind::unsupported: it is not reached by HTTP. `loop` must
// outlive the clock.
Result<std::unique_ptr<StoreClock>> open_store_clock(const StoreOptions& options, Loop& loop);

}  // namespace flannel
