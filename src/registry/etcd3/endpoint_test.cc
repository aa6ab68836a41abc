// SPDX-License-Identifier: Apache-2.0
#include "registry/etcd3/endpoint.h"

#include <gtest/gtest.h>

#include "base/file.h"
#include "support/child_process.h"

namespace flannel {
namespace {

TEST(EndpointTest, TheSchemeDecidesAboutTls) {
  for (const bool files : {false, true}) {
    EXPECT_FALSE(parse_endpoint("http://etcd1:2379", files)->tls);
    EXPECT_TRUE(parse_endpoint("https://etcd1:2379", files)->tls);
    EXPECT_EQ(parse_endpoint("etcd1:2379", files)->tls, files);
    EXPECT_EQ(parse_endpoint("unix:///run/etcd", files)->tls, files);
  }
}

TEST(EndpointTest, LiteralAddressesDoNotGoToTheResolver) {
  const std::pair<const char*, const char*> cases[] = {
      {"http://etcd1.example:2379", "dns:///etcd1.example:2379"},
      {"HTTP://192.0.2.1:2379/", "ipv4:192.0.2.1:2379"},
      {"https://[2001:db8::1]:4001", "ipv6:[2001:db8::1]:4001"},
      {"localhost:1", "dns:///localhost:1"},
      {"unix:/run/etcd.sock", "unix:/run/etcd.sock"},
      {"unix:///run/etcd.sock", "unix:/run/etcd.sock"},
  };
  for (const auto& [url, target] : cases) {
    const auto endpoint = parse_endpoint(url, false);
    ASSERT_TRUE(endpoint) << endpoint.error().text;
    EXPECT_EQ(endpoint->target, target);
    EXPECT_EQ(endpoint->url, url);
  }
}

TEST(EndpointTest, WhatIsWrongWithAnEndpointIsSaid) {
  const std::pair<const char*, const char*> cases[] = {
      {"", "an empty text"},
      {"http://", "the port is missing"},
      {"http://etcd1", "the port is missing"},
      {"http://[::1]", "the port is missing"},
      {"http://:2379", "the host is missing"},
      {"http://etcd1:", "no number from 1 to 65535"},
      {"http://etcd1:0", "no number from 1 to 65535"},
      {"http://etcd1:65536", "no number from 1 to 65535"},
      {"http://etcd1:2379/v2", "something follows the port"},
      {"http://etcd 1:2379", "something follows the port"},
      {"http://::1:2379", "brackets"},
      {"http://[::g]:2379", "no IPv6 address"},
      {"ftp://etcd1:2379", "neither http://"},
      {"unix:", "the socket's path is missing"},
  };
  for (const auto& [url, why] : cases) {
    const auto endpoint = parse_endpoint(url, false);
    ASSERT_FALSE(endpoint) << url;
    EXPECT_EQ(endpoint.error().kind, ErrorKind::invalid);
    EXPECT_NE(endpoint.error().text.find(why), std::string::npos) << endpoint.error().text;
  }
}

TEST(EndpointTest, AListOfEndpointsMustBeGoodThroughout) {
  EXPECT_EQ(parse_endpoints({"http://a:1", " http://b:2 "}, false)->size(), 2U);
  EXPECT_FALSE(parse_endpoints({}, false));
  EXPECT_FALSE(parse_endpoints({"http://a:1", ""}, false));
}

TEST(EndpointTest, APasswordInAUrlIsRefusedAndNotRepeated) {
  const auto endpoint = parse_endpoint("http://root:secret@etcd1:2379", false);
  ASSERT_FALSE(endpoint);
  EXPECT_EQ(endpoint.error().text.find("secret"), std::string::npos) << endpoint.error().text;
}

class TlsFilesTest : public ::testing::Test {
 protected:
  std::string pem(const std::string& name) {
    const std::string path = folder.path() + "/" + name;
    EXPECT_TRUE(write_file_atomically(path, "-----BEGIN CERTIFICATE-----\n" + name, 0600));
    return path;
  }
  TemporaryFolder folder;
};

TEST_F(TlsFilesTest, ACaMayStandAlone) {
  const auto material = read_tls_files({.key = "", .cert = "", .ca = pem("ca")});
  ASSERT_TRUE(material);
  EXPECT_NE(material->ca.find("\nca"), std::string::npos);
  EXPECT_EQ(material->key, "");
}

TEST_F(TlsFilesTest, ACertificateWithoutItsKeyIsRefused) {
  const auto no_key = read_tls_files({.key = "", .cert = pem("cert"), .ca = ""});
  EXPECT_EQ(no_key.error().text, "etcd TLS: a certificate file without its key file");
  const auto no_cert = read_tls_files({.key = pem("key"), .cert = "", .ca = ""});
  EXPECT_EQ(no_cert.error().text, "etcd TLS: a key file without its certificate file");
}

TEST_F(TlsFilesTest, AFileThatCannotServeIsNamed) {
  const std::string missing = folder.path() + "/none";
  const auto absent = read_tls_files({.key = "", .cert = "", .ca = missing});
  EXPECT_NE(absent.error().text.find(missing), std::string::npos) << absent.error().text;
  const std::string text = folder.path() + "/text";
  ASSERT_TRUE(write_file_atomically(text, "hello", 0600));
  const auto no_pem = read_tls_files({.key = "", .cert = "", .ca = text});
  EXPECT_EQ(no_pem.error().text, "read the etcd CA certificate: " + text + " is not a PEM file");
}

}  // namespace
}  // namespace flannel
