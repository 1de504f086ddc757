"""Does what one task learns about a shared inner function help another to extrapolate?"""
