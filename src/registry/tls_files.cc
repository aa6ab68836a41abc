// SPDX-License-Identifier: Apache-2.0
#include "registry/tls_files.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <algorithm>
#include <ctime>
#include <filesystem>
#include <system_error>
#include <utility>

#include "base/file.h"
#include "base/log.h"
#include "base/parse.h"

namespace flannel {
namespace {

struct Free {
  void operator()(BIO* bio) const { BIO_free(bio); }
  void operator()(X509* cert) const { X509_free(cert); }
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
};
template <typename T>
using Owned = std::unique_ptr<T, Free>;

std::string key_flag(const TlsFiles& files) {
  return files.flags + "keyfile";
}
std::string cert_flag(const TlsFiles& files) {
  return files.flags + "certfile";
}
std::string ca_flag(const TlsFiles& files) {
  return files.flags + "cafile";
}

Failure unusable(std::string_view flag, const std::string& path, std::string_view why) {
  return fail(ErrorKind::invalid, std::string(flag) + ": " + path + ": " + std::string(why));
}

Owned<BIO> reader(const std::string& text) {
  return Owned<BIO>(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

// Refuses to ask for a pass phrase; the default of OpenSSL asks at the terminal.
int refuse_to_ask(char*, int, int, void* was_asked) {
  *static_cast<bool*>(was_asked) = true;
  return -1;
}

Owned<EVP_PKEY> parse_key(const std::string& pem, bool& encrypted) {
  Owned<EVP_PKEY> key(
      PEM_read_bio_PrivateKey(reader(pem).get(), nullptr, refuse_to_ask, &encrypted));
  ERR_clear_error();
  return key;
}

std::vector<Owned<X509>> parse_certs(const std::string& pem) {
  bool asked = false;
  std::vector<Owned<X509>> certs;
  const Owned<BIO> bio = reader(pem);
  while (X509* cert = PEM_read_bio_X509(bio.get(), nullptr, refuse_to_ask, &asked))
    certs.emplace_back(cert);
  ERR_clear_error();
  return certs;
}

bool holds(const std::string& pem, std::string_view what) {
  return pem.find("-----BEGIN ") != std::string::npos && pem.find(what) != std::string::npos;
}

// Describes the content of a file without a usable key.
std::string_view instead_of_key(const std::string& text) {
  if (trim(text).empty()) return "the file is empty";
  if (holds(text, "PRIVATE KEY-----")) return "the key in it is damaged";
  if (holds(text, " CERTIFICATE-----")) return "there is a certificate in it, and no key";
  return "it is not a PEM file";
}
std::string_view instead_of_certificate(const std::string& text) {
  if (trim(text).empty()) return "the file is empty";
  if (holds(text, "PRIVATE KEY-----")) return "there is a key in it, and no certificate";
  if (holds(text, " CERTIFICATE-----")) return "there is a certificate in it that is damaged";
  return "it is not a PEM file";
}

Result<std::string> read(std::string_view flag, const std::string& path) {
  if (path.empty()) return std::string();
  return TRY_DURING(read_file(path), flag);
}

bool is_folder(const std::string& path) {
  std::error_code error;
  return !path.empty() && std::filesystem::is_directory(path, error);
}

// Reads a file of certificates, or all of a folder; files without a certificate do no harm there.
Result<std::string> read_authorities(std::string_view flag, const std::string& path) {
  if (!is_folder(path)) return read(flag, path);
  std::error_code error;
  std::vector<std::string> files;
  for (std::filesystem::directory_iterator at(path, error), end; !error && at != end;
       at.increment(error)) {
    std::error_code ignored;
    if (at->is_regular_file(ignored)) files.push_back(at->path().string());
  }
  std::ranges::sort(files);
  std::string all;
  for (const std::string& file : files)
    all += TRY(read(flag, file)) + "\n";
  return all;
}

Result<void> check_key(const TlsFiles& files, const TlsMaterial& material) {
  bool encrypted = false;
  const Owned<EVP_PKEY> key = parse_key(material.key, encrypted);
  const auto certs = parse_certs(material.cert);
  if (encrypted) {
    return unusable(key_flag(files), files.key,
                    "the key is encrypted, and nobody is asked for its pass phrase; \"openssl pkey "
                    "-in FILE -out FILE\" writes it without one");
  }
  bool swapped = false;
  if (!key && certs.empty() && !parse_certs(material.key).empty() &&
      (parse_key(material.cert, swapped) || swapped)) {
    return unusable(key_flag(files), files.key,
                    "it holds the certificate, and " + files.cert + " of " + cert_flag(files) +
                        " the key: they are swapped");
  }
  if (!key) {
    return unusable(key_flag(files), files.key, instead_of_key(material.key));
  }
  if (certs.empty())
    return unusable(cert_flag(files), files.cert, instead_of_certificate(material.cert));
  if (X509_check_private_key(certs.front().get(), key.get()) != 1) {
    ERR_clear_error();
    return unusable(
        key_flag(files), files.key,
        "the key does not fit the certificate in " + files.cert + " of " + cert_flag(files));
  }
  return {};
}

void doubt(std::string_view flag, const std::string& path, const std::string& pem,
           std::chrono::system_clock::time_point now, std::vector<std::string>& doubts) {
  std::time_t when = std::chrono::system_clock::to_time_t(now);
  const std::string at = std::string(flag) + ": " + path + ": ";
  for (const Owned<X509>& cert : parse_certs(pem)) {
    if (X509_cmp_time(X509_get0_notAfter(cert.get()), &when) < 0) {
      return doubts.push_back(at + "the certificate has expired");
    }
    if (X509_cmp_time(X509_get0_notBefore(cert.get()), &when) > 0) {
      return doubts.push_back(at + "the certificate is not valid yet; is the clock right?");
    }
  }
}

}  // namespace

Result<TlsMaterial> read_tls_files(const TlsFiles& files) {
  if (files.key.empty() != files.cert.empty()) {
    return fail(ErrorKind::invalid, files.flags + "certfile and " + files.flags +
                                        "keyfile go together, only one is given");
  }
  TlsMaterial material;
  material.flags = files.flags;
  material.key = TRY(read(key_flag(files), files.key));
  material.cert = TRY(read(cert_flag(files), files.cert));
  material.ca = TRY(read_authorities(ca_flag(files), files.ca));
  if (!files.key.empty()) TRY(check_key(files, material));
  if (!files.ca.empty() && parse_certs(material.ca).empty()) {
    return unusable(ca_flag(files), files.ca,
                    is_folder(files.ca) ? "no file of the folder has a certificate"
                                        : instead_of_certificate(material.ca));
  }
  return material;
}

std::vector<std::string> doubts_about(const TlsMaterial& material, const TlsFiles& files,
                                      std::chrono::system_clock::time_point now) {
  std::vector<std::string> doubts;
  doubt(cert_flag(files), files.cert, material.cert, now, doubts);
  // A folder of authorities may hold some that nobody uses any more.
  if (!is_folder(files.ca)) doubt(ca_flag(files), files.ca, material.ca, now, doubts);
  return doubts;
}

std::shared_ptr<const TlsMaterial> TlsSource::now() {
  if (!files_.any()) return last_;
  auto fresh = read_tls_files(files_);
  if (fresh) {
    unusable_.clear();
    last_ = std::make_shared<const TlsMaterial>(*std::move(fresh));
  } else if (unusable_.first_time(fresh.error().text)) {
    log::warning("connecting with the TLS files as they were read before",
                 {{"why", fresh.error().text}});
  }
  return last_;
}

}  // namespace flannel
