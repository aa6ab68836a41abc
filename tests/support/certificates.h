// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "support/child_process.h"

namespace flannel {

// A CA, and a certificate of it for 127.0.0.1, made by the openssl command.
class Certificates {
 public:
  Certificates() { make(); }

  void make() {
    run({"req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days",
         "2", "-subj", "/CN=test CA", "-keyout", path("ca.key"), "-out", ca()});
    run({"req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj",
         "/CN=flannel", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key(), "-out",
         path("request")});
    run({"x509", "-req", "-in", path("request"), "-CA", ca(), "-CAkey", path("ca.key"),
         "-CAcreateserial", "-days", "2", "-copy_extensions", "copy", "-out", cert()});
  }

  std::string ca() const { return path("ca.pem"); }
  std::string cert() const { return path("cert.pem"); }
  std::string key() const { return path("key.pem"); }

 private:
  std::string path(const std::string& name) const { return folder_.path() + "/" + name; }

  static void run(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), "openssl");
    const auto done = run_command(arguments);
    ASSERT_TRUE(done) << done.error().text;
  }

  TemporaryFolder folder_;
};

}  // namespace flannel
