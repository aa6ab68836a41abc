// SPDX-License-Identifier: Apache-2.0
#include "support/store_under_test.h"

#include <string_view>
#include <utility>

#include "registry/memory/memory_registry.h"
#include "registry/open_registry.h"
#include "support/etcd_server.h"

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

class EtcdUnderTest final : public StoreUnderTest {
 public:
  EtcdUnderTest() : server_(EtcdServer::start().value()) {}

  std::unique_ptr<Registry> open(const std::string& prefix, Loop& loop) override {
    StoreOptions options;
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

}  // namespace

std::unique_ptr<StoreUnderTest> memory_store_under_test() {
  return std::make_unique<MemoryUnderTest>();
}

std::unique_ptr<StoreUnderTest> etcd_store_under_test() {
  return std::make_unique<EtcdUnderTest>();
}

}  // namespace flannel
