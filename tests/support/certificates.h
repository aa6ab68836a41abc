// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "support/child_process.h"
#include "support/temporary_folder.h"

namespace flannel {

// Makes a CA and a certificate of it, for 127.0.0.1 or other names, with the openssl command.
class Certificates {
 public:
  Certificates() { make(); }
  // `names`: empty, or alternative names as OpenSSL writes them, "DNS:etcd1,IP:192.0.2.1".
  Certificates(std::string common_name, std::string names)
      : common_name_(std::move(common_name)), names_(std::move(names)) {
    make();
  }

  void make() {
    run({"req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days",
         "2", "-subj", "/CN=test CA", "-keyout", path("ca.key"), "-out", ca()});
    std::vector<std::string> request = {"req",
                                        "-newkey",
                                        "ec",
                                        "-pkeyopt",
                                        "ec_paramgen_curve:P-256",
                                        "-nodes",
                                        "-subj",
                                        "/CN=" + common_name_,
                                        "-keyout",
                                        key(),
                                        "-out",
                                        path("request")};
    if (!names_.empty()) request.insert(request.end(), {"-addext", "subjectAltName=" + names_});
    run(std::move(request));
    run({"x509", "-req", "-in", path("request"), "-CA", ca(), "-CAkey", path("ca.key"),
         "-CAcreateserial", "-days", "2", "-copy_extensions", "copy", "-out", cert()});
  }

  // Writes the key once more, with a pass phrase.
  std::string encrypted_key() const {
    run({"pkey", "-in", key(), "-aes256", "-passout", "pass:secret", "-out",
         path("encrypted.pem")});
    return path("encrypted.pem");
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

  std::string common_name_ = "flannel";
  std::string names_ = "IP:127.0.0.1";
  TemporaryFolder folder_;
};

}  // namespace flannel
