SELECT symbol, SUM(shares) AS total_shares
FROM stock_transactions
WHERE update_at >= 1680000000000
GROUP BY symbol
ORDER BY total_shares DESC
LIMIT 10;
