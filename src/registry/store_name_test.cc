// SPDX-License-Identifier: Apache-2.0
#include "registry/store_name.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

namespace flannel::store_name_test {
namespace {

StoreOptions etcd() {
  StoreOptions options;
  options.endpoints = {"http://192.0.2.1:2379", "http://192.0.2.2:2379"};
  options.username = "root";
  options.password.text = "secret";
  return options;
}

TEST(StoreNameTest, TheOrderOfEndpointsDoesNotMatterAndSecretsAreLeftOut) {
  StoreOptions other = etcd();
  std::ranges::reverse(other.endpoints);
  other.username = "flannel";
  EXPECT_EQ(name_of_store(other), name_of_store(etcd()));
  EXPECT_EQ(name_of_store(etcd()),
            "etcd v3 http://192.0.2.1:2379,http://192.0.2.2:2379 /coreos.com/network");
}

TEST(StoreNameTest, EachStoreHasItsOwn) {
  std::set<std::string> names;
  const auto add = [&names](auto change) {
    StoreOptions options = etcd();
    change(options);
    EXPECT_TRUE(names.insert(name_of_store(options)).second) << name_of_store(options);
  };
  add([](StoreOptions&) {});
  add([](StoreOptions& options) { options.prefix = "/other"; });
  add([](StoreOptions& options) { options.etcd_api = EtcdApi::v2; });
  add([](StoreOptions& options) { options.etcd_api = EtcdApi::automatic; });
  add([](StoreOptions& options) { options.endpoints.pop_back(); });
  add([](StoreOptions& options) { options.kind = StoreKind::consul; });
  add([](StoreOptions& options) {
    options.kind = StoreKind::consul;
    options.consul.datacenter = "dc2";
  });
  add([](StoreOptions& options) {
    options.kind = StoreKind::sqlite;
    options.sqlite_path = "/a";
  });
  add([](StoreOptions& options) {
    options.kind = StoreKind::sqlite;
    options.sqlite_path = "/b";
  });
}

}  // namespace
}  // namespace flannel::store_name_test
