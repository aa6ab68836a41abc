// SPDX-License-Identifier: Apache-2.0
// What core/registry.h promises of several networks, asked of every kind of store.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "support/store_test.h"

namespace flannel::conformance_networks_test {
namespace {

class StoreOfNetworks : public StoreTest {};

INSTANTIATE_TEST_SUITE_P(Every, StoreOfNetworks, ::testing::ValuesIn(kStoresUnderTest),
                         [](const auto& param) { return name(param.param); });

TEST_P(StoreOfNetworks, AConfigurationIsDeletedIfItIsUnchanged) {
  EXPECT_EQ(session->remove_config(1).error().kind, ErrorKind::conflict) << "there is none";
  const Revision first = session->write_config("{1}", 0).value();
  const Revision second = session->write_config("{2}", first).value();
  EXPECT_EQ(session->remove_config(first).error().kind, ErrorKind::conflict);
  EXPECT_EQ(session->snapshot().value().config->text, "{2}");
  ASSERT_TRUE(session->remove_config(second));
  EXPECT_FALSE(session->snapshot().value().config);
  EXPECT_EQ(session->remove_config(second).error().kind, ErrorKind::conflict) << "it is gone";
  EXPECT_TRUE(session->write_config("{3}", 0));
}

TEST_P(StoreOfNetworks, NetworksAreListedByTheirConfigurations) {
  EXPECT_EQ(session->networks().value(), NetworkList());
  ASSERT_TRUE(session->write_config("{}", 0));
  ASSERT_TRUE(session->create(kOne, "one", {}));
  EXPECT_EQ(session->networks().value(), NetworkList())
      << "the one without a name is no network of it";
  for (const char* name : {"blue.2", "blue", "config.d", "a/b", "a b"})
    ASSERT_TRUE(open("/coreos.com/network/" + std::string(name))->write_config("{}", 0));
  ASSERT_TRUE(open("/coreos.com/network/red")->create(kOne, "one", {}));
  ASSERT_TRUE(open("/coreos.com/networks/green")->write_config("{}", 0));
  EXPECT_EQ(session->networks().value(), (NetworkList{{"blue", "blue.2", "config.d"}, {"a b"}}));
}

}  // namespace
}  // namespace flannel::conformance_networks_test
