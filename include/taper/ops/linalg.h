// Linear algebra, as torch.linalg: factorizations, solves, determinants, eigenvalues, singular values.
// Matrices are the last two dimensions, the others a batch; float32, float64, complex64 and complex128, on
// the CPU.
#pragma once

#include <optional>
#include <tuple>

#include "taper/error.h"
#include "taper/tensor.h"

namespace taper {

/// A matrix for which the result does not exist: singular, not positive definite, or with NaN. In Python:
/// taper.linalg.LinAlgError, a RuntimeError.
class LinAlgError : public Error {
 public:
  using Error::Error;
};

namespace linalg {

/// Determinants: a [..., n, n] -> [...].
Tensor det(const Tensor& a);
/// Sign (a number of modulus 1, or 0) and logarithm of the absolute value of the determinant.
std::tuple<Tensor, Tensor> slogdet(const Tensor& a);
/// Throws LinAlgError where a is singular.
Tensor inv(const Tensor& a);
/// As inv, with info [...] (int32, 0 where all went well) in place of the exception unless check_errors.
std::tuple<Tensor, Tensor> inv_ex(const Tensor& a, bool check_errors = false);
/// X with a X = b (left) or X a = b; b [..., n, k], or [..., n] with a's batch. Throws LinAlgError where a is
/// singular.
Tensor solve(const Tensor& a, const Tensor& b, bool left = true);
std::tuple<Tensor, Tensor> solve_ex(const Tensor& a, const Tensor& b, bool left = true,
                                    bool check_errors = false);
/// The same for triangular a, of which the other triangle (and with unitriangular the diagonal) is not read.
Tensor solve_triangular(const Tensor& a, const Tensor& b, bool upper, bool left = true,
                        bool unitriangular = false);
/// Lower L with a = L L^H, or upper L^H. Throws LinAlgError where a is not positive definite.
Tensor cholesky(const Tensor& a, bool upper = false);
std::tuple<Tensor, Tensor> cholesky_ex(const Tensor& a, bool upper = false, bool check_errors = false);
/// L and U in one matrix, and the exchanges of rows (int32, counted from 1).
std::tuple<Tensor, Tensor> lu_factor(const Tensor& a, bool pivot = true);
std::tuple<Tensor, Tensor, Tensor> lu_factor_ex(const Tensor& a, bool pivot = true,
                                                bool check_errors = false);
/// P, L, U with a = P L U.
std::tuple<Tensor, Tensor, Tensor> lu(const Tensor& a, bool pivot = true);
/// Q, R with a = Q R. mode: "reduced", "complete", or "r" (Q is empty).
std::tuple<Tensor, Tensor> qr(const Tensor& a, std::string_view mode = "reduced");
/// Ascending eigenvalues and eigenvectors of a Hermitian matrix, of which the triangle UPLO ("L", "U") is
/// read.
std::tuple<Tensor, Tensor> eigh(const Tensor& a, std::string_view uplo = "L");
Tensor eigvalsh(const Tensor& a, std::string_view uplo = "L");
/// Complex eigenvalues and eigenvectors of any square matrix.
std::tuple<Tensor, Tensor> eig(const Tensor& a);
Tensor eigvals(const Tensor& a);
/// U, S, Vh with a = U diag(S) Vh.
std::tuple<Tensor, Tensor, Tensor> svd(const Tensor& a, bool full_matrices = true,
                                       std::optional<std::string> driver = std::nullopt);
Tensor svdvals(const Tensor& a, std::optional<std::string> driver = std::nullopt);
/// The pseudoinverse; singular values up to max(atol, rtol * largest) count as zero.
Tensor pinv(const Tensor& a, const Tensor& atol = {}, const Tensor& rtol = {}, bool hermitian = false);
/// How many singular values are above max(atol, rtol * largest).
Tensor matrix_rank(const Tensor& a, const Tensor& atol = {}, const Tensor& rtol = {}, bool hermitian = false);
/// e to the power of a matrix.
Tensor matrix_exp(const Tensor& a);

}  // namespace linalg

/// P, L, U from what linalg::lu_factor gave.
std::tuple<Tensor, Tensor, Tensor> lu_unpack(const Tensor& data, const Tensor& pivots,
                                             bool unpack_data = true, bool unpack_pivots = true);

/// Discrete Fourier transform along dim, not scaled; real input becomes complex.
Tensor fourier(const Tensor& x, std::int64_t dim, bool inverse);

}  // namespace taper
