// SPDX-License-Identifier: Apache-2.0
#include "support/store_under_test.h"

#include <gtest/gtest.h>
#include <sqlite3.h>

#include <cstdlib>
#include <string_view>
#include <utility>

#include "registry/memory/memory_registry.h"
#include "registry/open_registry.h"
#include "support/consul_server.h"
#include "support/etcd_server.h"
#include "support/temporary_folder.h"

namespace flannel {
namespace {

class MemoryUnderTest final : public StoreUnderTest {
 public:
  std::unique_ptr<Registry> open(const std::string& prefix, Loop& loop) override {
    return open_memory_registry(store_, prefix, loop);
  }
  void compact() override { store_->compact(); }

 private:
  std::shared_ptr<MemoryStore> store_ = std::make_shared<MemoryStore>();
};

class SqliteUnderTest final : public StoreUnderTest {
 public:
  std::unique_ptr<Registry> open(const std::string& prefix, Loop& loop) override {
    StoreOptions options;
    options.kind = StoreKind::sqlite;
    options.sqlite_path = path_;
    options.prefix = prefix;
    return open_registry(options, loop).value();
  }

  void compact() override {
    sqlite3* file = nullptr;
    ASSERT_EQ(sqlite3_open(path_.c_str(), &file), SQLITE_OK);
    EXPECT_EQ(sqlite3_exec(file, "DELETE FROM history", nullptr, nullptr, nullptr), SQLITE_OK);
    sqlite3_close(file);
  }

 private:
  TemporaryFolder folder_;
  std::string path_ = folder_.path() + "/flannel.db";
};

class EtcdUnderTest final : public StoreUnderTest {
 public:
  explicit EtcdUnderTest(EtcdProgram program)
      : server_(EtcdServer::start({}, std::move(program)).value()) {}

  std::unique_ptr<Registry> open(const std::string& prefix, Loop& loop) override {
    StoreOptions options;
    options.etcd_api = EtcdApi::v3;
    options.endpoints = {server_->url()};
    options.prefix = prefix;
    return open_registry(options, loop).value();
  }

  void compact() override {
    // {"header":{...,"revision":7,...
    const std::string answer = server_->ctl({"get", "none", "-w", "json"}).value();
    constexpr std::string_view kName = "\"revision\":";
    const auto begin = answer.find(kName) + kName.size();
    const std::string revision = answer.substr(begin, answer.find_first_of(",}", begin) - begin);
    server_->ctl({"compaction", revision}).value();
  }

  std::chrono::seconds shortest_ttl() const override { return std::chrono::seconds(2); }

 private:
  std::unique_ptr<EtcdServer> server_;
};

class Etcd2UnderTest final : public StoreUnderTest {
 public:
  explicit Etcd2UnderTest(EtcdProgram program)
      : server_(EtcdServer::start({}, std::move(program)).value()) {}

  std::unique_ptr<Registry> open(const std::string& prefix, Loop& loop) override {
    StoreOptions options;
    options.etcd_api = EtcdApi::v2;
    options.endpoints = {server_->url()};
    options.prefix = prefix;
    return open_registry(options, loop).value();
  }

  // It remembers the last 1,000 changes of all writers.
  void compact() override {
    const std::string urls = server_->url() + "/v2/keys/elsewhere?n=[1-1010]";
    run_command({"curl", "-s", "-o", "/dev/null", "-X", "PUT", "-d", "value=x", urls}).value();
  }

  bool keeps_bytes() const override { return false; }
  bool knows_granted_lives() const override { return false; }

 private:
  std::unique_ptr<EtcdServer> server_;
};

class ConsulUnderTest final : public StoreUnderTest {
 public:
  std::unique_ptr<Registry> open(const std::string& prefix, Loop& loop) override {
    StoreOptions options;
    options.kind = StoreKind::consul;
    options.consul.endpoints = {server_->url()};
    options.prefix = prefix;
    return open_registry(options, loop).value();
  }

  void compact() override {}  // it has no history
  bool knows_remaining_lives() const override { return false; }
  bool knows_granted_lives() const override { return false; }
  bool keeps_history() const override { return false; }

 private:
  std::unique_ptr<ConsulServer> server_ = ConsulServer::start().value();
};

// Where a program of another release is; empty: nobody has said.
std::string program_in(const char* variable) {
  const char* path = std::getenv(variable);
  return path ? path : "";
}
std::string old_etcd() {
  return program_in("FLANNEL_ETCD33");
}
std::string new_etcd() {
  return program_in("FLANNEL_ETCD35");
}

}  // namespace

std::string name(StoreUnderTestKind kind) {
  switch (kind) {
    case StoreUnderTestKind::memory:
      return "Memory";
    case StoreUnderTestKind::sqlite:
      return "Sqlite";
    case StoreUnderTestKind::etcd:
      return "Etcd";
    case StoreUnderTestKind::etcd_old:
      return "EtcdOf33";
    case StoreUnderTestKind::etcd_new:
      return "EtcdOf35";
    case StoreUnderTestKind::etcd2:
      return "EtcdV2";
    case StoreUnderTestKind::etcd2_old:
      return "EtcdV2Of33";
    case StoreUnderTestKind::consul:
      return "Consul";
  }
  return {};
}

std::string missing_for(StoreUnderTestKind kind) {
  if (kind == StoreUnderTestKind::memory || kind == StoreUnderTestKind::sqlite) return {};
  if (kind == StoreUnderTestKind::consul) {
    return ConsulServer::program().empty() ? "FLANNEL_CONSUL names no Consul" : "";
  }
  if (!EtcdServer::installed()) return "etcd and etcdctl are not installed";
  const bool of33 = kind == StoreUnderTestKind::etcd_old || kind == StoreUnderTestKind::etcd2_old;
  if (of33 && old_etcd().empty()) return "FLANNEL_ETCD33 names no etcd 3.3";
  if (kind == StoreUnderTestKind::etcd_new && new_etcd().empty()) {
    return "FLANNEL_ETCD35 names no etcd 3.5";
  }
  return {};
}

std::unique_ptr<StoreUnderTest> store_under_test(StoreUnderTestKind kind) {
  switch (kind) {
    case StoreUnderTestKind::memory:
      return std::make_unique<MemoryUnderTest>();
    case StoreUnderTestKind::sqlite:
      return std::make_unique<SqliteUnderTest>();
    case StoreUnderTestKind::etcd:
      return std::make_unique<EtcdUnderTest>(EtcdProgram{});
    case StoreUnderTestKind::etcd_old:
      return std::make_unique<EtcdUnderTest>(EtcdProgram{old_etcd(), true, true});
    case StoreUnderTestKind::etcd_new:
      return std::make_unique<EtcdUnderTest>(EtcdProgram{.path = new_etcd()});
    case StoreUnderTestKind::etcd2:
      return std::make_unique<Etcd2UnderTest>(EtcdProgram{.v2 = true});
    case StoreUnderTestKind::etcd2_old:
      return std::make_unique<Etcd2UnderTest>(EtcdProgram{old_etcd(), true, true});
    case StoreUnderTestKind::consul:
      return std::make_unique<ConsulUnderTest>();
  }
  return nullptr;
}

}  // namespace flannel
